import { cpus, hostname, release, totalmem } from 'node:os';

/** What the region is told of the machine this gateway runs on. */
export function hardware(): Record<string, string> {
  return {
    host: hostname().slice(0, 200),
    system: `${process.platform} ${release()}`.slice(0, 200),
    processor: `${cpus().length} x ${cpus()[0]?.model.trim() ?? process.arch}`.slice(0, 200),
    memory: `${Math.round(totalmem() / 1024 ** 2)} MiB`,
    node: process.version,
  };
}
