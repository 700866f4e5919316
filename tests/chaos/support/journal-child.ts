import { setImmediate as nextTurn } from 'node:timers/promises';
import { DenoKvFile, JournalConfig, KvJournal } from '@millwright/gateway/testing/journal';
import { type PointNo, SampleBatch } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';

/**
 * Writes samples with the values `from, from + 1, …` and now and then an event, as fast as the disk takes them, until
 * it is killed. Says on stdout what the journal has promised: `s <value>` = every value up to it, `e <id>` = the event.
 */
const [path = '', from = '0', seed = '1'] = process.argv.slice(2);
const config = JournalConfig.parse({ durableWithinMs: 20, frameAgeMs: 200, eventVisibleWithinMs: 50 });
const file = new DenoKvFile(path);
const journal = new KvJournal({ clock: systemClock, logger: new MemoryLogger(), file }, config);
await journal.start();
say('ready');

let value = Number(from);
let state = Number(seed);
for (;;) {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  const rows = 1 + (state % 700);
  const batch = new SampleBatch(rows);
  for (let row = 0; row < rows; row++, value++) {
    batch.pushNumber((value % 5) as PointNo, value, value, value);
  }
  journal.append(batch);
  const promised = value - 1;
  if (state % 3 === 0) await journal.flush().then(() => say(`s ${promised}`));
  else void journal.flush().then(() => say(`s ${promised}`));
  if (state % 7 === 0) {
    const id = `e${promised}`;
    const event = { id, atMs: promised, type: 'command.done' as const, message: 'it was done' };
    void journal.appendEvent(event).then(() => say(`e ${id}`));
  }
  await nextTurn();
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
