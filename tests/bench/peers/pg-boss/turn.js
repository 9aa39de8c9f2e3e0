// turn.js N: N jobs that do nothing, from the call that inserts them until all are completed.
import { PgBoss } from "pg-boss";

const count = Number(process.argv[2]);
const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, schedule: false });
boss.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
await boss.start();
await boss.createQueue("noop");
await boss.deleteAllJobs("noop");
const jobs = Array.from({ length: count }, (_, i) => ({ data: { i } }));
let left = count;
let lastRan;
const allRan = new Promise((resolve) => (lastRan = resolve));

const [begin, cpu] = [performance.now(), process.cpuUsage()];
await boss.insert("noop", jobs);
// A worker that starts looks at once: the pause between its looks is not what is measured.
const options = {
  batchSize: 1000,
  localConcurrency: 2,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5,
};
await boss.work("noop", options, async (batch) => {
  left -= batch.length;
  if (left === 0) lastRan();
});
await allRan;
const query =
  "select exists (select from pgboss.job where name = 'noop' and state <> 'completed') as some";
while ((await boss.getDb().executeSql(query, [])).rows[0].some) {
  await new Promise((resolve) => setTimeout(resolve, 2));
}
const seconds = (performance.now() - begin) / 1000;
const { user, system } = process.cpuUsage(cpu);

console.log(JSON.stringify({ tasks: count, seconds, cpu_seconds: (user + system) / 1e6 }));
await boss.stop({ graceful: false });
