import { type Clock, type DeviceId, type Lifecycle, LimitError, type Logger } from '@millwright/protocol';
import type { EventFeed } from './event-feed.ts';
import { EventListener } from './event-listener.ts';
import { eventResponse } from './event-response.ts';

const MAX_LISTENERS = 200;
const RECHECK_MS = 60_000;

export interface StreamRequest {
  readonly device?: DeviceId | undefined;
  readonly lastEventId?: string | undefined;
  /** Whether the listener may still listen; asked every minute. */
  readonly isAllowed: () => Promise<boolean>;
  readonly cut: () => void;
}

/** All open event streams. */
export class EventStreams implements Lifecycle {
  readonly #deps: { readonly clock: Clock; readonly logger: Logger; readonly feed: EventFeed };
  readonly #open = new Set<EventListener>();

  constructor(deps: { readonly clock: Clock; readonly logger: Logger; readonly feed: EventFeed }) {
    this.#deps = deps;
  }

  get count(): number {
    return this.#open.size;
  }

  async start(): Promise<void> {
    // Streams are opened by requests.
  }

  async stop(): Promise<void> {
    for (const listener of this.#open) listener.close('the region is being stopped');
  }

  /** @throws LimitError `LISTENERS` */
  open(request: StreamRequest): Response {
    if (this.#open.size >= MAX_LISTENERS) {
      throw new LimitError('LISTENERS', `${MAX_LISTENERS} listeners are connected already`, {
        retry: 'backoff',
        hint: 'close some, or try again later',
      });
    }
    const listener = new EventListener(this.#deps, request);
    this.#open.add(listener);
    let cancel: () => void = () => undefined;
    const recheck = () => {
      cancel = this.#deps.clock.after(RECHECK_MS, () => {
        void request.isAllowed().then(
          (isAllowed) => (isAllowed ? recheck() : listener.close('signed out')),
          // Not to be told is no reason to be cut off.
          recheck,
        );
      });
    };
    recheck();
    const onEnd = () => {
      cancel();
      this.#open.delete(listener);
    };
    return eventResponse(listener, this.#deps, { cut: request.cut, onEnd });
  }
}
