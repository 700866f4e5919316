import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiDeps, ApiEnv } from '../environment.ts';
import { requireRole } from '../guard.ts';
import { problem } from '../problem.ts';
import * as routes from '../routes.ts';

/** What changes something: commands and enrolment. */
export function serveChanging(api: OpenAPIHono<ApiEnv>, deps: ApiDeps): void {
  api.openapi(routes.writePoint, async (context) => {
    const refusal = requireRole(context, 'operator');
    if (refusal !== undefined) return refusal;
    const { id, point } = context.req.valid('param');
    const { value, dryRun } = context.req.valid('json');
    const target = { device: id, point, value, dryRun };
    const receipt = await deps.commands.write(context.var.caller.principal, target);
    if (receipt === null) {
      return problem(context, 404, 'POINT_UNKNOWN', `point: device "${id}" has no point "${point}" now`);
    }
    return context.json({ ...receipt, code: receipt.code ?? null }, 200);
  });

  api.openapi(routes.changeAlarm, async (context) => {
    const refusal = requireRole(context, 'operator');
    if (refusal !== undefined) return refusal;
    const { id, ...named } = context.req.valid('param');
    const target = { device: id, ...named, ...context.req.valid('json') };
    const receipt = await deps.commands.alarm(context.var.caller.principal, target);
    if (receipt === null) {
      return problem(context, 404, 'ALARM_UNKNOWN', `there is no device "${id}" with this point now`);
    }
    return context.json({ ...receipt, code: receipt.code ?? null }, 200);
  });

  api.openapi(routes.createEnrolmentToken, async (context) => {
    const refusal = requireRole(context, 'engineer');
    if (refusal !== undefined) return refusal;
    const createdBy = context.var.caller.principal.name;
    return context.json(await deps.enrolment.create({ ...context.req.valid('json'), createdBy }), 201);
  });

  api.openapi(routes.listEnrolmentTokens, async (context) => {
    const refusal = requireRole(context, 'engineer');
    if (refusal !== undefined) return refusal;
    return context.json(await deps.enrolment.list(context.req.valid('query')), 200);
  });

  api.openapi(routes.revokeEnrolmentToken, async (context) => {
    const refusal = requireRole(context, 'engineer');
    if (refusal !== undefined) return refusal;
    const { id } = context.req.valid('param');
    if (await deps.enrolment.revoke(id)) return context.body(null, 204);
    return problem(context, 404, 'TOKEN_UNKNOWN', `id: there is no enrolment token "${id}"`);
  });
}
