/** Announcements as four kinds of firmware make them, by topic. */
type Announcements = Readonly<Record<string, object>>;

const zigbeeDevice = {
  identifiers: ['zigbee2mqtt_0x00158d0001a2b3c4'],
  manufacturer: 'Aqara',
  model: 'Temperature and humidity sensor (WSDCGQ11LM)',
  name: 'Cold store',
  via_device: 'zigbee2mqtt_bridge_0x00124b0018e2c3d4',
};
const zigbee = {
  availability: [
    { topic: 'zigbee2mqtt/bridge/state', value_template: '{{ value_json.state }}' },
    { topic: 'zigbee2mqtt/Cold store/availability', value_template: '{{ value_json.state }}' },
  ],
  availability_mode: 'all',
  device: zigbeeDevice,
  origin: { name: 'Zigbee2MQTT', sw: '2.1.0', url: 'https://www.zigbee2mqtt.io' },
  state_topic: 'zigbee2mqtt/Cold store',
};
const id = '0x00158d0001a2b3c4';
export const ZIGBEE2MQTT: Announcements = {
  [`homeassistant/sensor/${id}/temperature/config`]: {
    ...zigbee,
    device_class: 'temperature',
    enabled_by_default: true,
    object_id: 'cold_store_temperature',
    state_class: 'measurement',
    unique_id: `${id}_temperature_zigbee2mqtt`,
    unit_of_measurement: '°C',
    value_template: '{{ value_json.temperature }}',
  },
  [`homeassistant/sensor/${id}/linkquality/config`]: {
    ...zigbee,
    entity_category: 'diagnostic',
    name: 'Linkquality',
    state_class: 'measurement',
    unique_id: `${id}_linkquality_zigbee2mqtt`,
    unit_of_measurement: 'lqi',
    value_template: '{{ value_json.linkquality }}',
  },
  [`homeassistant/binary_sensor/${id}/contact/config`]: {
    ...zigbee,
    device_class: 'door',
    name: null,
    payload_off: true,
    payload_on: false,
    unique_id: `${id}_contact_zigbee2mqtt`,
    value_template: '{{ value_json.contact }}',
  },
  [`homeassistant/number/${id}/reporting_time/config`]: {
    ...zigbee,
    name: 'Reporting time',
    command_topic: 'zigbee2mqtt/Cold store/set/reporting_time',
    min: 0,
    max: 600,
    unit_of_measurement: 's',
    unique_id: `${id}_reporting_time_zigbee2mqtt`,
    value_template: '{{ value_json.reporting_time }}',
  },
  [`homeassistant/update/${id}/update/config`]: {
    ...zigbee,
    name: null,
    unique_id: `${id}_update_zigbee2mqtt`,
    value_template: "{{ value_json['update']['installed_version'] }}",
  },
};

const tasmotaDevice = { ids: ['A1B2C3'], name: 'Pump plug', mdl: 'Nous A1T', sw: '14.4.1', mf: 'Tasmota' };
const tasmota = {
  '~': 'tele/plug_A1B2C3/',
  avty_t: '~LWT',
  pl_avail: 'Online',
  pl_not_avail: 'Offline',
  dev: tasmotaDevice,
};
export const TASMOTA: Announcements = {
  'homeassistant/switch/A1B2C3_RL_1/config': {
    ...tasmota,
    name: 'Relay',
    cmd_t: 'cmnd/plug_A1B2C3/POWER',
    stat_t: '~STATE',
    val_tpl: '{{value_json.POWER}}',
    pl_off: 'OFF',
    pl_on: 'ON',
    uniq_id: 'A1B2C3_RL_1',
  },
  'homeassistant/sensor/A1B2C3_ENERGY_Power/config': {
    ...tasmota,
    name: 'ENERGY Power',
    stat_t: '~SENSOR',
    uniq_id: 'A1B2C3_ENERGY_Power',
    unit_of_meas: 'W',
    dev_cla: 'power',
    stat_cla: 'measurement',
    val_tpl: "{{value_json['ENERGY']['Power']}}",
  },
  'homeassistant/sensor/A1B2C3_ENERGY_Total/config': {
    ...tasmota,
    name: 'ENERGY Total',
    stat_t: '~SENSOR',
    uniq_id: 'A1B2C3_ENERGY_Total',
    unit_of_meas: 'kWh',
    dev_cla: 'energy',
    stat_cla: 'total_increasing',
    val_tpl: "{{value_json['ENERGY'].Total}}",
  },
  'homeassistant/light/A1B2C3_LI_2/config': { ...tasmota, name: 'LED', cmd_t: 'x', uniq_id: 'A1B2C3_LI_2' },
};

export const ESPHOME: Announcements = {
  'homeassistant/sensor/boiler-room/water_pressure/config': {
    dev_cla: 'pressure',
    unit_of_meas: 'bar',
    stat_cla: 'measurement',
    name: 'Water pressure',
    stat_t: 'boiler-room/sensor/water_pressure/state',
    avty_t: 'boiler-room/status',
    uniq_id: 'ESPsensorwater_pressure',
    dev: { ids: '240ac4f1b2c3', name: 'boiler-room', sw: '2026.10.2', mdl: 'esp32dev', mf: 'Espressif' },
  },
  'homeassistant/select/boiler-room/mode/config': {
    name: 'Mode',
    stat_t: 'boiler-room/select/mode/state',
    cmd_t: 'boiler-room/select/mode/command',
    ops: ['eco', 'comfort'],
    avty_t: 'boiler-room/status',
    uniq_id: 'ESPselectmode',
    dev: { ids: '240ac4f1b2c3', name: 'boiler-room', sw: '2026.10.2', mdl: 'esp32dev', mf: 'Espressif' },
  },
};

/** All of a device in one message. */
export const SHELLY: Announcements = {
  'homeassistant/device/shellyplus1pm-a8032ab12345/config': {
    dev: {
      ids: ['shellyplus1pm-a8032ab12345'],
      name: 'Fan plug',
      mf: 'Shelly',
      mdl: 'Plus 1PM',
      cns: [['mac', 'a8:03:2a:b1:23:45']],
    },
    o: { name: 'shellies-discovery', sw: '4.0' },
    avty: [{ t: 'shellyplus1pm-a8032ab12345/online', pl_avail: 'true', pl_not_avail: 'false' }],
    stat_t: 'shellyplus1pm-a8032ab12345/status/switch:0',
    cmps: {
      switch_0: {
        p: 'switch',
        name: 'Output',
        val_tpl: '{{ value_json.output }}',
        stat_on: 'True',
        stat_off: 'False',
        cmd_t: 'shellyplus1pm-a8032ab12345/command/switch:0',
        pl_on: 'on',
        pl_off: 'off',
        uniq_id: 'shellyplus1pm-a8032ab12345-0',
      },
      temperature: {
        p: 'sensor',
        name: 'Temperature',
        dev_cla: 'temperature',
        unit_of_meas: '°C',
        val_tpl: '{{ value_json.temperature.tC | round(1) }}',
        uniq_id: 'shellyplus1pm-a8032ab12345-tc',
      },
      energy: {
        p: 'sensor',
        name: 'Energy',
        dev_cla: 'energy',
        stat_cla: 'total_increasing',
        unit_of_meas: 'kWh',
        val_tpl: '{{ value_json.aenergy.total / 1000 }}',
        uniq_id: 'shellyplus1pm-a8032ab12345-e',
      },
      overheated: {
        p: 'binary_sensor',
        name: 'Overheated',
        val_tpl: "{{ 'ON' if 'overtemp' in value_json.errors else 'OFF' }}",
        uniq_id: 'shellyplus1pm-a8032ab12345-o',
      },
    },
  },
};
