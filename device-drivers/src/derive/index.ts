export * from './home-assistant.ts';
export * from './home-assistant-units.ts';
export * from './point-facts.ts';
export * from './topic-template.ts';
