import playground from '@thing-description-playground/core';
import { describe, expect, it } from 'vitest';
import { aSite, named } from './derive.fixture.ts';
import { type ThingDescription, thingDescription } from './thing-description.ts';

const site = await aSite();
const of = (id: string) =>
  thingDescription(named(site, id), { site: 'works', broker: 'mqtt://10.0.4.2:1883' });

/** What the playground of the Web of Things says, without asking the network for contexts. */
async function verdict(td: ThingDescription): Promise<{ readonly report: object; readonly said: string }> {
  const said: string[] = [];
  const { report } = await playground.tdValidator(JSON.stringify(td), (line) => said.push(String(line)), {
    checkDefaults: false,
    checkJsonLd: false,
    checkTmConformance: false,
  });
  return { report, said: said.join('\n') };
}

describe('the Thing Description of a device', () => {
  it.each([...site.keys()])('is one in the eyes of the W3C playground: %s', async (id) => {
    const { report, said } = await verdict(of(id));
    expect(report, said).toMatchObject({ json: 'passed', schema: 'passed' });
  });

  it('is refused by the playground when a property has no form', async () => {
    const td = of('meter-7');
    const { report } = await verdict({ ...td, properties: { voltage_l1: { type: 'number' } } });
    expect(report).toMatchObject({ schema: 'failed' });
  });

  it('says where in a Modbus device a point is, and how it is read', () => {
    expect(of('valve').properties.level).toEqual({
      title: 'Level',
      type: 'number',
      unit: 'm',
      readOnly: true,
      writeOnly: false,
      observable: false,
      forms: [
        {
          href: 'modbus+tcp://10.0.4.9:502/1/1?quantity=2',
          op: ['readproperty'],
          contentType: 'application/octet-stream',
          'modv:entity': 'HoldingRegister',
          'modv:zeroBasedAddressing': true,
          'modv:type': 'xsd:int',
          'modv:mostSignificantByte': true,
          'modv:mostSignificantWord': false,
          'modv:timeout': 1000,
          'modv:pollingTime': 1000,
          'mw:scale': 0.01,
        },
      ],
    });
    expect(of('valve').properties.mode).toMatchObject({
      type: 'boolean',
      readOnly: false,
      forms: [{ op: ['readproperty', 'writeproperty'], 'modv:entity': 'Coil' }],
    });
    expect(of('valve').properties.state).toMatchObject({
      oneOf: [
        { const: 0, title: 'closed' },
        { const: 1, title: 'moving' },
        { const: 2, title: 'open' },
      ],
      forms: [{ 'mw:bits': [0, 2] }],
    });
    expect(of('meter-7').properties.demand_limit).toMatchObject({
      minimum: 0,
      maximum: 400,
      forms: [{ href: 'modbus+tcp://10.0.4.7:502/7/200?quantity=1', 'modv:pollingTime': expect.any(Number) }],
    });
  });

  it('speaks of OPC UA nodes as OPC 10101 does', () => {
    const [property] = Object.values(of('ahu-1').properties);
    expect(property).toMatchObject({
      observable: true,
      forms: [{ href: expect.stringMatching(/^opc\.tcp:\/\/10\.0\.4\.20:4840\/\?id=ns=\d+;/) }],
    });
  });

  it('speaks of topics, with the base of the device in them', () => {
    const forms = Object.values(of('office').properties).flatMap(({ forms: each }) => each);
    expect(forms).toContainEqual(
      expect.objectContaining({
        href: 'mqtt://10.0.4.2:1883',
        'mqv:filter': expect.stringMatching(/^rooms\/office/),
      }),
    );
    expect(JSON.stringify(forms)).not.toContain('~');
  });

  it('names the topics of the gateway where there is no binding', () => {
    expect(of('drive').properties.speed).toMatchObject({
      type: 'object',
      properties: { v: { type: 'number', unit: 'Hz', minimum: 0, maximum: 50 } },
      forms: [
        { 'mqv:filter': 'mw/works/drive/speed', op: ['observeproperty'] },
        { 'mqv:topic': 'mw/works/drive/speed/set', op: ['writeproperty'] },
      ],
    });
    expect(Object.keys(of('box').properties).length).toBeGreaterThan(3);
  });
});
