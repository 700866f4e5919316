import pino from 'pino';
import { describeLogger } from './testing/describe-logger.ts';
import { type LogLine, MemoryLogger } from './testing/memory-logger.ts';

describeLogger('pino', () => {
  const written: LogLine[] = [];
  const write = (line: string) => {
    const { level, msg, ...fields } = JSON.parse(line);
    written.push({ level, message: msg, fields });
  };
  const logger = pino(
    { level: 'debug', base: null, timestamp: false, formatters: { level: (level) => ({ level }) } },
    { write },
  );
  return { logger, lines: () => written };
});

describeLogger('the memory logger', () => {
  const logger = new MemoryLogger();
  return { logger, lines: () => logger.lines };
});
