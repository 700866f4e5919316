import type { Clock, Logger } from '@millwright/protocol';
import type { EventListener } from './event-listener.ts';

/** A piece that its listener has not taken after this long ends the stream. */
const TAKE_WITHIN_MS = 20_000;

export interface StreamEnd {
  /** Cuts the connection when the listener does not take what is sent. */
  readonly cut: () => void;
  readonly onEnd: () => void;
}

/**
 * Server-sent events from a listener. The next piece is made only when the last one was taken: a slow listener is
 * held up by its own connection, never by memory here.
 */
export function eventResponse(
  listener: EventListener,
  deps: { readonly clock: Clock; readonly logger: Logger },
  end: StreamEnd,
): Response {
  const encoder = new TextEncoder();
  let ended = false;
  let cancelWatch: () => void = () => undefined;
  const finish = () => {
    cancelWatch();
    if (!ended) end.onEnd();
    ended = true;
  };
  const watch = () => {
    cancelWatch();
    cancelWatch = deps.clock.after(TAKE_WITHIN_MS, () => {
      deps.logger.info('a listener of events does not read what is sent and is cut off');
      listener.close('too slow');
      end.cut();
      finish();
    });
  };
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        cancelWatch();
        const piece = await listener.next();
        if (ended) return;
        if (piece === undefined) {
          finish();
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(piece));
        watch();
      },
      cancel() {
        finish();
        listener.close('');
      },
    },
    { highWaterMark: 1 },
  );
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  });
}
