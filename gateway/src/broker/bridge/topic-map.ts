import { topicMatches } from '../topic-filter.ts';
import type { BridgeTopic } from './config.ts';

export interface Mapped {
  readonly topic: string;
  readonly qos: 0 | 1;
}

/** Which topics a bridge carries, and what they are called on either side. */
export class TopicMap {
  readonly #out: readonly Rule[];
  readonly #in: readonly Rule[];

  constructor(topics: readonly BridgeTopic[]) {
    const rules = (direction: 'in' | 'out') =>
      topics
        .filter((topic) => topic.direction === direction || topic.direction === 'both')
        .map(
          ({ pattern, qos, direction: given, localPrefix: local = '', remotePrefix: remote = '' }): Rule => {
            const [from, to] = direction === 'out' ? [local, remote] : [remote, local];
            return { filter: from + pattern, from, to, qos, isBoth: given === 'both' };
          },
        );
    this.#out = rules('out');
    this.#in = rules('in');
  }

  get localFilters(): readonly string[] {
    return [...new Set(this.#out.map(({ filter }) => filter))];
  }

  get remoteFilters(): readonly string[] {
    return [...new Set(this.#in.map(({ filter }) => filter))];
  }

  /** @param isKept it was retained before, not sent now: what may have come from there is not told there as new */
  outward(topic: string, options: { readonly isKept?: boolean } = {}): Mapped | undefined {
    return mapped(this.#out, topic, (rule) => options.isKept !== true || !rule.isBoth);
  }

  /** Of several local filters that match a topic, the one by which it is carried out. */
  isFirstFor(filter: string, topic: string): boolean {
    return this.#out.find((rule) => topicMatches(rule.filter, topic))?.filter === filter;
  }

  inward(topic: string): Mapped | undefined {
    return mapped(this.#in, topic);
  }
}

interface Rule {
  readonly filter: string;
  readonly from: string;
  readonly to: string;
  readonly qos: 0 | 1;
  readonly isBoth: boolean;
}

/** The first rule that fits: a message crosses a bridge once. */
function mapped(
  rules: readonly Rule[],
  topic: string,
  isWanted: (rule: Rule) => boolean = () => true,
): Mapped | undefined {
  const rule = rules.find((each) => topicMatches(each.filter, topic));
  if (rule === undefined || !isWanted(rule)) return undefined;
  return { topic: rule.to + topic.slice(rule.from.length), qos: rule.qos };
}
