export * from './device-sheet.ts';
export * from './home-assistant.ts';
export * from './home-assistant-units.ts';
export * from './point-facts.ts';
export * from './thing-description.ts';
export * from './topic-template.ts';
