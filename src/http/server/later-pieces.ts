import { addressGroup } from '../../util/address-group.ts'
import { Turns } from './turns.ts'

/**
 * When a blob that has begun may go on. A reader takes what its socket holds, ten pieces on a fast network, and a
 * thousand that come at once would begin one after the other behind that. So all blobs that a client asks for get
 * their first piece before one gets its second, and then go on in turns.
 */
export class LaterPieces {
  readonly #beginnings: Turns
  readonly #turns: Turns

  /** @param beginnings turns in which blobs begin, of `turn` milliseconds */
  constructor(beginnings: Turns, turn: number) {
    this.#beginnings = beginnings
    this.#turns = new Turns(turn)
  }

  /** Resolves when a blob of the client at `address` may go on; undefined when it may at once. */
  turn(address: string): Promise<void> | undefined {
    const client = addressGroup(address)
    const settled = this.#beginnings.settled(client)
    return settled?.then(() => new Promise((resolve) => this.#turns.run(client, resolve)))
  }
}
