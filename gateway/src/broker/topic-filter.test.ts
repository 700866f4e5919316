import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterCovers, isTopicFilter, isTopicName, topicMatches } from './topic-filter.ts';

describe('topic filters', () => {
  it.each([
    ['hall/+/temp', 'hall/a/temp', true],
    ['hall/+/temp', 'hall/a/b/temp', false],
    ['hall/#', 'hall', true],
    ['hall/#', 'hall/a/b', true],
    ['#', 'a/b', true],
    ['#', '$SYS/uptime', false],
    ['+/uptime', '$SYS/uptime', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['hall', 'hall/a', false],
    ['hall/+', 'hall', false],
    ['+', '', true],
    ['/+', '/a', true],
    ['+/+', '/a', true],
  ])('%s against %s is %s', (filter, topic, expected) => {
    expect(topicMatches(filter, topic)).toBe(expected);
  });

  it.each([
    ['hall/#', 'hall/+/temp', true],
    ['hall/+', 'hall/#', false],
    ['hall/+/x', 'hall/+/x', true],
    ['hall/a', 'hall/+', false],
    ['#', '#', true],
    ['+/a', '#', false],
    ['#', '$SYS/#', false],
  ])('%s covering %s is %s', (outer, inner, expected) => {
    expect(filterCovers(outer, inner)).toBe(expected);
  });

  it.each(['', 'a/#/b', 'a#', 'a/b+', '+a', 'x\0y', 'a/'.repeat(101)])('%j is no filter', (text) => {
    expect(isTopicFilter(text)).toBe(false);
  });

  it('keeps wildcards out of topic names', () => {
    expect(isTopicName('a/b')).toBe(true);
    expect(isTopicName('a/+')).toBe(false);
  });

  it('a filter that covers another matches every topic the other matches', () => {
    const filters = fc
      .array(fc.constantFrom('a', 'b', '+', ''), { minLength: 1, maxLength: 4 })
      .chain((levels) => fc.constantFrom(levels.join('/'), `${levels.join('/')}/#`));
    const topics = fc
      .array(fc.constantFrom('a', 'b', ''), { minLength: 1, maxLength: 5 })
      .map((levels) => levels.join('/'));
    fc.assert(
      fc.property(filters, filters, topics, (outer, inner, topic) => {
        if (filterCovers(outer, inner) && topicMatches(inner, topic)) {
          expect(topicMatches(outer, topic)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
