/** The certificate by which the grid knows this daemon, and its renewal while the daemon runs. */
import { type Agent, Dispatcher } from 'undici';

/** A certificate, with its chain, and its key, as PEM. */
export interface ClientPair {
  readonly cert: string;
  readonly key: string;
}

/** Sends each request over a connection that shows the client certificate of the moment. */
export class RenewedAgent extends Dispatcher {
  readonly #client: () => ClientPair;
  readonly #make: (pair: ClientPair) => Agent;
  #pair: ClientPair;
  #agent: Agent;

  /**
   * @param client asked for each request; the same object as long as nothing has changed
   * @param make makes the connections that show a pair
   */
  constructor(client: () => ClientPair, make: (pair: ClientPair) => Agent) {
    super();
    this.#client = client;
    this.#make = make;
    this.#pair = client();
    this.#agent = make(this.#pair);
  }

  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const pair = this.#client();
    if (pair !== this.#pair) {
      // What is under way ends there.
      void this.#agent.close();
      this.#pair = pair;
      this.#agent = this.#make(pair);
    }
    return this.#agent.dispatch(options, handler);
  }

  override destroy(): Promise<void> {
    return this.#agent.destroy();
  }
}
