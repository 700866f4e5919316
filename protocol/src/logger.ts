type LogMethod = {
  (fields: Readonly<Record<string, unknown>>, message: string): void;
  (message: string): void;
};

/** What rooms log through; pino satisfies it. Secrets and tokens are never logged. */
export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  child(bindings: Readonly<Record<string, unknown>>): Logger;
}
