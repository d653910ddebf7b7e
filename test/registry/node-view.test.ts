import { describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../src/registry/index.ts';
import { NodeView } from '../../src/registry/node-view.ts';
import { coreRecord } from '../support/nodes.ts';

const lease = (nodeId: string, etag: string, remainingMs = 1_000) => ({ nodeId, etag, remainingMs });
const records = (...entries: [string, NodeRecord | null][]) => new Map(entries);
const one = coreRecord({ nodeId: 'one' });
const busy = coreRecord({ nodeId: 'one', load: { sessions: 9 } });

describe('NodeView', () => {
  it('tells what joined, changed and left between tellings', () => {
    const view = new NodeView();
    expect(view.apply([lease('one', 'a')], records(['one', one]), 0)).toEqual([{ kind: 'joined', node: one }]);
    expect(view.apply([lease('one', 'a')], records(), 500)).toEqual([]);
    expect(view.apply([lease('one', 'b')], records(['one', busy]), 600)).toEqual([{ kind: 'changed', node: busy }]);
    expect(view.apply([], records(), 700)).toEqual([{ kind: 'left', node: busy }]);
    expect(view.nodes()).toEqual([]);
  });

  it('asks again for a record whose etag is another', () => {
    const view = new NodeView();
    view.apply([lease('one', 'a')], records(['one', one]), 0);
    expect(view.has(lease('one', 'a'))).toBe(true);
    expect(view.has(lease('one', 'b'))).toBe(false);
    expect(view.has(lease('two', 'a'))).toBe(false);
  });

  it('remembers a record that cannot be read, and does not show it', () => {
    const view = new NodeView();
    expect(view.apply([lease('odd', 'a')], records(['odd', null]), 0)).toEqual([]);
    expect(view.has(lease('odd', 'a'))).toBe(true);
    expect(view.nodes()).toEqual([]);
    expect(view.apply([lease('odd', 'b')], records(['odd', one]), 1)).toEqual([{ kind: 'joined', node: one }]);
    expect(view.apply([lease('odd', 'c')], records(['odd', null]), 2)).toEqual([{ kind: 'left', node: one }]);
  });

  it('takes a node that went between two questions for gone', () => {
    const view = new NodeView();
    expect(view.apply([lease('one', 'a')], records(), 0)).toEqual([]);
    expect(view.nodes()).toEqual([]);
  });

  it('knows when the soonest lease ends', () => {
    const view = new NodeView();
    expect(view.nextEndMs).toBeNull();
    view.apply([lease('one', 'a', 900), lease('two', 'b', 700)], records(['one', one], ['two', one]), 100);
    expect(view.nextEndMs).toBe(800);
  });

  it('keeps missing nodes during the grace and no longer, and counts them as present when they come back', () => {
    const view = new NodeView();
    view.apply([lease('one', 'a'), lease('two', 'b')], records(['one', one], ['two', busy]), 0);
    view.graceUntil(3_000);
    expect(view.apply([], records(), 2_000)).toEqual([]);
    expect(view.nodes()).toHaveLength(2);
    expect(view.nextEndMs).toBe(3_000);
    expect(view.apply([lease('one', 'a', 5_000)], records(), 2_500)).toEqual([]);
    expect(view.apply([lease('one', 'a', 5_000)], records(), 3_000)).toEqual([{ kind: 'left', node: busy }]);
    expect(view.nextEndMs).toBe(8_000);
  });
});
