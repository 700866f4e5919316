import { PointId } from '@millwright/protocol';
import { describeDriver } from '../testing/index.ts';
import { millwrightDriver } from './index.ts';
import { LinePeer } from './test-peer.ts';

describeDriver({
  name: 'the driver to copy',
  module: millwrightDriver.module,
  createPeer: () => LinePeer.create('unused'),
  points: {
    number: PointId.parse('level'),
    writable: PointId.parse('speed'),
    spoilable: PointId.parse('level'),
  },
  values: [12.5, 13],
  unplugs: true,
  reads: true,
});
