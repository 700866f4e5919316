import { describe, expect, test } from 'vitest';
import { AckWindow } from './ack-window.ts';

const FRAME = 60_000;

/** A path of fixed latency and rate behind which everything queues. Runs for `seconds`. */
function drain(path: { latencyMs: number; bytesPerMs: number }, seconds: number) {
  const window = new AckWindow({ maxEntries: 256 });
  const acks: { at: number; seq: number }[] = [];
  let seq = -1;
  let busyUntil = 0;
  let delivered = 0;
  let worstQueueMs = 0;
  for (let now = 0; now < seconds * 1000; now++) {
    while (acks[0] !== undefined && acks[0].at <= now) {
      const ack = acks.shift();
      if (ack !== undefined) delivered += window.acked(ack.seq, now) * FRAME;
    }
    while (window.isOpen) {
      seq += 1;
      window.sent(seq, FRAME, now);
      busyUntil = Math.max(busyUntil, now) + FRAME / path.bytesPerMs;
      acks.push({ at: busyUntil + path.latencyMs, seq });
      if (now > 20_000) worstQueueMs = Math.max(worstQueueMs, busyUntil - now);
    }
  }
  return { bytesPerMs: delivered / (seconds * 1000), worstQueueMs, window };
}

describe('the window of unacknowledged entries', () => {
  test('fills a fast path', () => {
    const { bytesPerMs } = drain({ latencyMs: 20, bytesPerMs: 10_000 }, 30);
    expect(bytesPerMs).toBeGreaterThan(9_000);
  });

  test('fills a path of two seconds latency', () => {
    const { bytesPerMs } = drain({ latencyMs: 2000, bytesPerMs: 500 }, 120);
    expect(bytesPerMs).toBeGreaterThan(350);
  });

  test('keeps the queue of a slow path short and the path busy', () => {
    const { bytesPerMs, worstQueueMs } = drain({ latencyMs: 50, bytesPerMs: 125 }, 120);
    expect(bytesPerMs).toBeGreaterThan(100);
    expect(worstQueueMs).toBeLessThan(1500);
  });

  test('never holds more entries than allowed', () => {
    const window = new AckWindow({ maxEntries: 3 });
    for (const seq of [0, 1, 2]) {
      expect(window.isOpen).toBe(true);
      window.sent(seq, 10, 0);
    }
    expect(window.isOpen).toBe(false);
    expect(window.acked(1, 5)).toBe(2);
    expect(window.entries).toBe(1);
    expect(window.acked(1, 5)).toBe(0);
    expect(window.isOpen).toBe(true);
  });

  test('admits one entry even when it is larger than the window', () => {
    const window = new AckWindow({ maxEntries: 256 });
    window.sent(0, 10_000_000, 0);
    expect(window.isOpen).toBe(false);
    window.acked(0, 1);
    expect(window.isOpen).toBe(true);
  });
});
