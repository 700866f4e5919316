import { z } from 'zod';

export const HostPort = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be "host:port", such as "10.0.4.7:502"')
  .refine(
    (text) => {
      const port = Number(text.slice(text.lastIndexOf(':') + 1));
      return port >= 1 && port <= 65535;
    },
    { message: 'the port must be 1–65535' },
  );
