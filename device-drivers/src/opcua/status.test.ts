import { QUALITIES, qualityOf, REASONS, reasonOf } from '@millwright/protocol';
import { StatusCodes } from 'node-opcua-client';
import { describe, expect, it } from 'vitest';
import { qualityOfStatus } from './status.ts';

const told = (code: { readonly value: number }) => {
  const byte = qualityOfStatus(code.value);
  return `${qualityOf(byte)} ${reasonOf(byte)}`;
};

describe('the quality of an OPC UA status', () => {
  it.each([
    ['Good', 'good none'],
    ['GoodClamped', 'good none'],
    ['UncertainLastUsableValue', 'uncertain stale'],
    ['UncertainInitialValue', 'uncertain not-yet-read'],
    ['UncertainSensorNotAccurate', 'uncertain sensor-fault'],
    ['UncertainEngineeringUnitsExceeded', 'uncertain out-of-range'],
    ['UncertainSubNormal', 'uncertain peer-uncertain'],
    ['BadCommunicationError', 'bad disconnected'],
    ['BadTimeout', 'bad timeout'],
    ['BadShutdown', 'bad disconnected'],
    ['BadServerNotConnected', 'bad disconnected'],
    ['BadNoCommunication', 'bad disconnected'],
    ['BadWaitingForInitialData', 'bad not-yet-read'],
    ['BadNodeIdInvalid', 'bad illegal-address'],
    ['BadNodeIdUnknown', 'bad illegal-address'],
    ['BadAttributeIdInvalid', 'bad illegal-address'],
    ['BadOutOfRange', 'bad out-of-range'],
    ['BadRequestTimeout', 'bad timeout'],
    ['BadNotConnected', 'bad disconnected'],
    ['BadDeviceFailure', 'bad device-error'],
    ['BadSensorFailure', 'bad sensor-fault'],
    ['BadOutOfService', 'bad peer-bad'],
  ] as const)('%s is %s', (name, expected) => {
    expect(told(StatusCodes[name])).toBe(expected);
  });

  it('is one of ours for any code', () => {
    for (let code = 0; code < 2 ** 32; code += 65_521 * 61) {
      expect(QUALITIES).toContain(qualityOf(qualityOfStatus(code)));
      expect(REASONS).toContain(reasonOf(qualityOfStatus(code)));
    }
  });
});
