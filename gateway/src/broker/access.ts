import type { Credential } from './credentials.ts';
import { filterCovers, topicMatches } from './topic-filter.ts';

/** What one connected client may do. */
export interface Access {
  /** Undefined = nobody in particular, which only a development broker lets in. */
  readonly username: string | undefined;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export const ANONYMOUS: Access = { username: undefined, publish: ['#'], subscribe: ['#', '$SYS/broker/#'] };

export function accessOf(credential: Credential): Access {
  const filled = (filter: string) => filter.replaceAll('%u', credential.username);
  return {
    username: credential.username,
    publish: credential.publish.map(filled),
    subscribe: credential.subscribe.map(filled),
  };
}

export function mayPublish(access: Access, topic: string): boolean {
  return !topic.startsWith('$') && access.publish.some((filter) => topicMatches(filter, topic));
}

/** A subscription is granted whole or not at all: one filter of the list must cover all of it. */
export function maySubscribe(access: Access, filter: string): boolean {
  return access.subscribe.some((allowed) => filterCovers(allowed, filter));
}
