/** How many changes of one tag are remembered. */
export const TAG_CHANGES = 100
