/** Items of several owners, who take turns. Those of one owner are first come, first served. */
export class Rotation<T> {
  readonly #queues = new Map<string, T[]>()

  add(owner: string, item: T): void {
    const own = this.#queues.get(owner)
    if (own === undefined) this.#queues.set(owner, [item])
    else own.push(item)
  }

  /** Takes the next item out. @returns undefined when there is none */
  next(): T | undefined {
    const [owner, own] = this.#queues.entries().next().value ?? []
    if (owner === undefined || own === undefined) return undefined
    const item = own.shift()
    // The owner goes to the end of the line.
    this.#queues.delete(owner)
    if (own.length > 0) this.#queues.set(owner, own)
    return item
  }
}
