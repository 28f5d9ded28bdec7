/** How many changes of one tag are kept. */
export const TAG_CHANGES = 100
