export { RuleEngine } from '../automations/engine.ts';
