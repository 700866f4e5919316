import { z } from 'zod';

const OpcuaUser = z.strictObject({
  name: z.string().min(1).max(100),
  /** Environment variable that holds the password; never the password itself. */
  passwordEnv: z.string().min(1),
});

/** The OPC UA server that shows this gateway's points, to be read; absent: there is none. */
export const OpcuaServerConfig = z.strictObject({
  host: z.string().min(1).max(253).default('127.0.0.1'),
  /** 0: any free one. */
  port: z.int().min(0).max(65535).default(4840),
  users: z.array(OpcuaUser).max(50).default([]),
});
export type OpcuaServerConfig = z.infer<typeof OpcuaServerConfig>;
