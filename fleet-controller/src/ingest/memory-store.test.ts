import { FrameWriter, PointNo, SampleBatch } from '@millwright/protocol';
import { MemoryClock } from '@millwright/protocol/testing';
import { MemoryIngestStore } from './memory-store.ts';
import { describeIngestStore, type EncodeTestFrame } from './store-contract.ts';

const encodeTestFrame: EncodeTestFrame = ({ epoch, seq, timesMs }) => {
  const batch = new SampleBatch(timesMs.length);
  for (const timeMs of timesMs) batch.pushNumber(PointNo.parse(0), timeMs, timeMs, 1);
  const writer = new FrameWriter();
  writer.append(batch);
  return writer.seal({ epoch, seq });
};

describeIngestStore(
  'memory',
  async () => {
    const clock = new MemoryClock();
    const store = new MemoryIngestStore({ clock });
    return {
      store,
      clock,
      addToken: (token) => store.addToken(token),
      entries: async (gateway) => store.entriesOf(gateway),
      catalog: async (gateway) => store.catalogOf(gateway),
      devices: async (gateway) => store.devicesOf(gateway),
      connected: async (gateway) => store.isConnected(gateway),
      reopen: async () => store,
      close: async () => undefined,
    };
  },
  encodeTestFrame,
);
