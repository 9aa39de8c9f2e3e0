// turn.js N: N jobs that do nothing, from the call that adds them until the last row is gone.
// Settings as in graphile-worker's own page on performance.
import { Logger, makeWorkerUtils, run } from "graphile-worker";

const count = Number(process.argv[2]);
const logger = new Logger(() => () => {});
const preset = {
  worker: {
    connectionString: process.env.DATABASE_URL,
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    logger,
  },
};
const utils = await makeWorkerUtils({ preset });
await utils.migrate();
let left = count;
let lastRan;
const allRan = new Promise((resolve) => (lastRan = resolve));
const runner = await run({
  preset,
  taskList: {
    noop: async () => {
      if (--left === 0) lastRan();
    },
  },
});
const specs = Array.from({ length: count }, (_, i) => ({ identifier: "noop", payload: { i } }));

const [begin, cpu] = [performance.now(), process.cpuUsage()];
await utils.addJobs(specs);
await allRan;
await utils.withPgClient(async (client) => {
  const query = "select exists (select from graphile_worker.jobs) as some";
  while ((await client.query(query)).rows[0].some) await new Promise((r) => setTimeout(r, 2));
});
const seconds = (performance.now() - begin) / 1000;
const { user, system } = process.cpuUsage(cpu);

await runner.stop();
await utils.release();
console.log(JSON.stringify({ tasks: count, seconds, cpu_seconds: (user + system) / 1e6 }));
