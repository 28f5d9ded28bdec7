import type { Image } from './operations.ts'

/**
 * By what images are sorted: the largest, the youngest, the most recently used, the most often used first.
 */
export const IMAGE_ORDERS = ['size', 'age', 'use', 'hits'] as const
export type ImageOrder = (typeof IMAGE_ORDERS)[number]

const VALUES: Readonly<Record<ImageOrder, (image: Image) => number>> = {
  size: ({ size }) => size,
  age: ({ storedAt = 0 }) => storedAt,
  use: ({ lastUsed }) => lastUsed,
  hits: ({ hits }) => hits,
}

export function isImageOrder(text: string): text is ImageOrder {
  return (IMAGE_ORDERS as readonly string[]).includes(text)
}

/** The first `limit` images in this order. */
export function inOrder(images: readonly Image[], by: ImageOrder, limit = Infinity): readonly Image[] {
  const value = VALUES[by]
  return images.toSorted((a, b) => value(b) - value(a)).slice(0, limit)
}
