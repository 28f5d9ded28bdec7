/** How many changes of one tag are kept, its first sight included. */
export const TAG_CHANGES = 100
