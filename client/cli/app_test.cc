// Whole commands against a scheduler in this process: exact output and exit codes.
#include "client/cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "client/lib/fake_control_service.h"
#include "common/dag/spec.h"
#include "common/testing/fake_clock.h"
#include "common/testing/temp_dir.h"
#include "penstock/v1/worker.pb.h"

namespace penstock::client {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kDag[] = "dag: etl\nfiles: [\"*.sh\"]\ntasks: {load: {sh: ./load.sh}}\n";

class AppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Start();
    variables_ = {{"HOME", folder_}, {"PENSTOCK_ADDRESS", server_.address()}, {"TERM", "xterm"}};
  }

  // Runs one command; what it prints is in out_ and err_.
  int Run(const std::vector<std::string>& words, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Environment env;
    env.in = &in;
    env.out = &out;
    env.err = &err;
    env.out_is_terminal = terminal_;
    env.columns = [] { return size_t{80}; };
    env.interrupted = [this] { return interrupted_; };
    env.get_env = [this](std::string_view variable) -> std::optional<std::string> {
      const auto found = variables_.find(std::string(variable));
      return found == variables_.end() ? std::nullopt : std::optional<std::string>(found->second);
    };
    env.clock = &clock_;
    const int code = RunCli(words, env);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ + "/" + name) << content;
    return folder_ + "/" + name;
  }

  FakeControlService& service() { return server_.service; }

  // Answers WatchRun with these states of run 42, then ends the stream.
  void AnswerWatch(const std::vector<v1::RunProgress>& states) {
    service().on_WatchRun = [states](const v1::WatchRunRequest&,
                                     grpc::ServerWriter<v1::RunProgress>* writer) {
      for (const v1::RunProgress& state : states) writer->Write(state);
      return grpc::Status::OK;
    };
  }

  static v1::RunProgress Progress(v1::RunState state, int success, int other,
                                  v1::TaskState other_state) {
    v1::RunProgress progress;
    progress.mutable_run()->set_id(42);
    progress.mutable_run()->set_dag("etl");
    progress.mutable_run()->set_state(state);
    progress.mutable_run()->mutable_started_at()->set_seconds(1'704'067'190);
    if (state != v1::RUN_STATE_RUNNING) {
      progress.mutable_run()->mutable_finished_at()->set_seconds(1'704'067'195);
    }
    progress.set_task_count(success + other);
    auto* count = progress.add_counts();
    count->set_state(v1::TASK_STATE_SUCCESS);
    count->set_count(success);
    count = progress.add_counts();
    count->set_state(other_state);
    count->set_count(other);
    return progress;
  }

  void AnswerFailedTask() {
    service().on_GetTaskInstance = [](const v1::GetTaskInstanceRequest& request,
                                      v1::TaskInstance* task) {
      task->set_task(request.task());
      task->set_attempt(3);
      task->set_worker("worker-1");
      task->set_error("exit code 2");
      return grpc::Status::OK;
    };
    service().on_ReadLogs = [](const v1::ReadLogsRequest& request,
                               grpc::ServerWriter<v1::LogRecord>* writer) {
      v1::LogRecord record;
      EXPECT_GT(request.tail_bytes(), 0);
      record.set_data("connecting\nno route \x1b[31mto host\x1b[0m\n");
      writer->Write(record);
      return grpc::Status::OK;
    };
  }

  const testing::TempDir temp_{"cli"};
  const std::string folder_ = temp_.path().string();
  std::map<std::string, std::string> variables_;
  FakeServer server_;
  testing::FakeClock clock_;
  bool terminal_ = false;
  bool interrupted_ = false;
  std::string out_;
  std::string err_;
};

TEST_F(AppTest, HelpsWithoutAServer) {
  EXPECT_EQ(Run({}), 0);
  EXPECT_THAT(out_, StartsWith("Penstock runs DAGs of tasks"));
  EXPECT_EQ(Run({"dag", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("penstock dag VERB"));
  EXPECT_EQ(Run({"help", "dag", "trigger"}), 0);
  EXPECT_THAT(out_, HasSubstr("--idempotency-key"));
  EXPECT_EQ(Run({"help", "dag", "nope"}), 2);
  EXPECT_EQ(Run({"help", "--markdown"}), 0);
  EXPECT_THAT(out_, HasSubstr("## Exit codes"));
  EXPECT_EQ(Run({"version"}), 0);
  EXPECT_THAT(out_, StartsWith("penstock "));
}

TEST_F(AppTest, ExitsWith2ForUsage) {
  EXPECT_EQ(Run({"dag", "tigger"}), 2);
  EXPECT_EQ(err_,
            "penstock: there is no command \"dag tigger\" (did you mean \"dag trigger\"?)\n"
            "Try: penstock dag --help\n");
  EXPECT_EQ(Run({"dag"}), 2);
  EXPECT_EQ(Run({"dag", "list", "--context", "nope"}), 2);
  EXPECT_THAT(err_, HasSubstr("no context \"nope\""));
  EXPECT_EQ(Run({"run", "show", "/"}), 2);
  EXPECT_EQ(Run({"dag", "lint", folder_ + "/missing.yaml"}), 2);
  EXPECT_THAT(err_, EndsWith("missing.yaml: No such file or directory\n"));
}

TEST_F(AppTest, ExitsWith3WhenNobodyAnswers) {
  variables_["PENSTOCK_ADDRESS"] = "unix:/nonexistent/x";
  EXPECT_EQ(Run({"pool", "list", "--retry-for", "0s"}), 3);
  EXPECT_THAT(err_, StartsWith("penstock: no scheduler answers at unix:/nonexistent/x: "));
  EXPECT_THAT(err_, HasSubstr("penstock standalone --data DIR"));
  EXPECT_EQ(out_, "");
}

TEST_F(AppTest, ExitsWith4WhenRefused) {
  service().on_GetRun = [](const v1::GetRunRequest&, v1::Run*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no run 7\x1b[2J");
  };
  EXPECT_EQ(Run({"run", "show", "7"}), 4);
  EXPECT_EQ(err_, "penstock: there is no run 7\\x1b[2J\n");
}

TEST_F(AppTest, SendsTheNamespace) {
  std::string seen;
  service().on_ListPools = [&](const v1::ListPoolsRequest& request, v1::ListPoolsResponse*) {
    seen = request.namespace_();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"pool", "list"}), 0);
  EXPECT_EQ(seen, "default");
  EXPECT_EQ(err_, "penstock: nothing found\n");
  Write("config.yaml", "current: a\ncontexts: {a: {namespace: sales}}\n");
  variables_["PENSTOCK_CONFIG"] = folder_ + "/config.yaml";
  EXPECT_EQ(Run({"pool", "list"}), 0);
  EXPECT_EQ(seen, "sales");
  EXPECT_EQ(Run({"pool", "list", "-n", "ops"}), 0);
  EXPECT_EQ(seen, "ops");
}

TEST_F(AppTest, ListsPoolsInEveryFormat) {
  service().on_ListPools = [](const v1::ListPoolsRequest&, v1::ListPoolsResponse* response) {
    auto* pool = response->add_pools();
    pool->set_name("warehouse");
    pool->set_slots(20);
    pool->set_used(3);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"pool", "list"}), 0);
  EXPECT_EQ(out_,
            "NAME       SLOTS  USED  WAITING  DESCRIPTION\n"
            "warehouse     20     3        0\n");
  EXPECT_EQ(Run({"pool", "list", "-o", "jsonl"}), 0);
  EXPECT_EQ(out_,
            "{\"namespace\":\"\",\"name\":\"warehouse\",\"slots\":20,\"used\":3,\"waiting\":0,"
            "\"description\":\"\"}\n");
  EXPECT_EQ(Run({"pool", "list", "-o", "yaml"}), 0);
  EXPECT_THAT(out_, StartsWith("- namespace: \"\"\n  name: warehouse\n  slots: 20\n"));
}

TEST_F(AppTest, ReadsPagesUpToTheLimit) {
  std::vector<std::string> cursors;
  service().on_ListDags = [&](const v1::ListDagsRequest& request, v1::ListDagsResponse* response) {
    cursors.push_back(request.cursor());
    for (int i = 0; i < std::min(request.page_size(), 2); ++i) response->add_dags()->set_name("d");
    response->set_next_cursor(cursors.size() < 3 ? "more" : "");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"dag", "list", "-o", "jsonl", "--limit", "0"}), 0);
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 6);
  EXPECT_EQ(cursors, (std::vector<std::string>{"", "more", "more"}));
  EXPECT_EQ(err_, "");
  cursors.clear();
  EXPECT_EQ(Run({"dag", "list", "-o", "jsonl", "--limit", "3"}), 0);
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 3);
  EXPECT_EQ(err_, "penstock: 3 shown, there are more (--limit 0 shows all)\n");
}

TEST_F(AppTest, InitWritesAFileThatLintsAndIsNotOverwritten) {
  const std::string path = folder_ + "/hello.yaml";
  EXPECT_EQ(Run({"dag", "init", "hello", "--file", path}), 0);
  EXPECT_EQ(Run({"dag", "lint", path}), 0);
  EXPECT_EQ(out_, path + ": DAG hello is fine (3 tasks)\n");
  EXPECT_EQ(Run({"dag", "init", "hello", "--file", path}), 2);
  EXPECT_THAT(err_, HasSubstr("--force"));
  EXPECT_EQ(Run({"dag", "init", "hello", "--file", path, "--force"}), 0);
  EXPECT_EQ(Run({"dag", "init", "no/name"}), 2);
}

TEST_F(AppTest, LintPrintsEveryProblemAndFails) {
  const std::string path = Write("bad.yaml", "dag: x\ntasks:\n  a: {sh: b, nedes: c}\n  d: {}\n");
  EXPECT_EQ(Run({"dag", "lint", path}), 2);
  EXPECT_THAT(err_, HasSubstr(path + ":3:"));
  EXPECT_THAT(err_, HasSubstr(path + ":4:"));
  const std::string fine = Write("fine.yaml", "dag: a\ntasks: {a: {noop: }}\n");
  EXPECT_EQ(Run({"dag", "lint", path, fine, "-o", "jsonl"}), 2);
  EXPECT_THAT(out_, StartsWith("{\"file\":\"" + path + "\",\"problems\":[{\"line\":3,"));
  EXPECT_THAT(out_, EndsWith("{\"file\":\"" + fine + "\",\"problems\":[]}\n"));
}

TEST_F(AppTest, LintChecksTheFilesBesideTheDag) {
  const std::string path = Write("etl.yaml", kDag);
  EXPECT_EQ(Run({"dag", "lint", path}), 2);
  EXPECT_THAT(err_, StartsWith(path + ": files: \"*.sh\" matches nothing"));
}

TEST_F(AppTest, ApplySendsTheFileWithItsBundle) {
  v1::ApplyDagRequest seen;
  service().on_ApplyDag = [&](const v1::ApplyDagRequest& request, v1::ApplyDagResponse* response) {
    seen = request;
    response->mutable_dag()->set_name("etl");
    response->mutable_dag()->set_version_number(1);
    response->mutable_dag()->set_task_count(1);
    response->set_created(true);
    return grpc::Status::OK;
  };
  const std::string path = Write("etl.yaml", kDag);
  Write("load.sh", "echo hi\n");
  EXPECT_EQ(Run({"apply", path}), 0);
  EXPECT_EQ(out_, "DAG etl new: version 1, 1 task\n");
  EXPECT_EQ(seen.yaml(), kDag);
  v1::Bundle bundle;
  ASSERT_TRUE(bundle.ParseFromString(seen.bundle()));
  ASSERT_EQ(bundle.files_size(), 1);
  EXPECT_EQ(bundle.files(0).path(), "load.sh");
}

TEST_F(AppTest, ApplySendsNothingWhenAFileIsBad) {
  bool called = false;
  service().on_ApplyDag = [&](const v1::ApplyDagRequest&, v1::ApplyDagResponse*) {
    called = true;
    return grpc::Status::OK;
  };
  Write("load.sh", "");
  EXPECT_EQ(Run({"apply", Write("etl.yaml", kDag), Write("bad.yaml", "dag: 3\n")}), 2);
  EXPECT_THAT(err_, HasSubstr("bad.yaml:1:6:"));
  EXPECT_THAT(err_, EndsWith("penstock: nothing was applied\n"));
  EXPECT_FALSE(called);
}

TEST_F(AppTest, ApplyTellsARefusalFromSilence) {
  service().on_ApplyDag = [](const v1::ApplyDagRequest&, v1::ApplyDagResponse*) {
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many DAGs");
  };
  const std::string path = Write("a.yaml", "dag: a\ntasks: {a: {noop: }}\n");
  EXPECT_EQ(Run({"apply", path}), 4);
  EXPECT_EQ(err_, "penstock: " + path + ": too many DAGs\n");
  EXPECT_EQ(Run({"apply", path, "--address", "unix:/nonexistent/x", "--retry-for", "0s"}), 3);
}

TEST_F(AppTest, AppliesSeveralFilesAsOneList) {
  service().on_ApplyDag = [](const v1::ApplyDagRequest&, v1::ApplyDagResponse* response) {
    response->set_changed(true);
    return grpc::Status::OK;
  };
  const std::string path = Write("a.yaml", "dag: a\ntasks: {a: {noop: }}\n");
  EXPECT_EQ(Run({"apply", path, path, "-o", "jsonl"}), 0);
  EXPECT_EQ(out_,
            "{\"created\":false,\"changed\":true}\n"
            "{\"created\":false,\"changed\":true}\n");
}

TEST_F(AppTest, ApplyRefusesALargeBundle) {
  Write("load.sh", std::string(2000, 'x'));
  EXPECT_EQ(Run({"apply", Write("etl.yaml", kDag), "--max-bundle", "1k"}), 2);
  EXPECT_THAT(err_, HasSubstr("largest: load.sh"));
}

TEST_F(AppTest, ApplyShowsWhatTheSchedulerFound) {
  v1::ProblemList problems;
  auto* problem = problems.add_problems();
  problem->set_line(3);
  problem->set_column(9);
  problem->set_message("there is no pool \"p\"");
  service().problems = problems.SerializeAsString();
  service().on_ApplyDag = [](const v1::ApplyDagRequest&, v1::ApplyDagResponse*) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "1 problem");
  };
  Write("load.sh", "");
  const std::string path = Write("etl.yaml", kDag);
  EXPECT_EQ(Run({"apply", path}), 4);
  EXPECT_THAT(err_, StartsWith(path + ":3:9: there is no pool \"p\"\n"));
}

TEST_F(AppTest, TriggerSendsTypedParamsAndNamesTheNextCommand) {
  v1::CreateRunRequest seen;
  service().on_CreateRun = [&](const v1::CreateRunRequest& request, v1::Run* run) {
    seen = request;
    run->set_id(42);
    run->set_dag("etl");
    run->set_key("nightly");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"trigger", "etl", "--params", "{\"a\":1}", "-p", "b=true", "-p", "c=x", "--key",
                 "nightly", "--logical-date", "2026-01-02", "-n", "sales"}),
            0);
  EXPECT_EQ(out_,
            "Run 42 of etl created (nightly)\n"
            "Watch it: penstock run watch 42 --namespace sales\n");
  EXPECT_EQ(seen.params_json(), R"({"a":1,"b":true,"c":"x"})");
  EXPECT_EQ(seen.logical_date().seconds(), 1767312000);
  EXPECT_EQ(seen.idempotency_key().size(), 32u);
}

TEST_F(AppTest, WatchPrintsPlainLinesAndSucceeds) {
  AnswerWatch({Progress(v1::RUN_STATE_RUNNING, 1, 2, v1::TASK_STATE_RUNNING),
               Progress(v1::RUN_STATE_SUCCESS, 3, 0, v1::TASK_STATE_RUNNING)});
  EXPECT_EQ(Run({"run", "watch", "42"}), 0);
  EXPECT_EQ(out_,
            "2024-01-01T00:00:00Z run 42 running: 1/3 done (success 1, running 2)\n"
            "2024-01-01T00:00:00Z run 42 success: 3/3 done (success 3)\n"
            "Run 42 of etl: success after 5.0s\n");
}

TEST_F(AppTest, WatchShowsWhyARunFailedAndWhatToTypeNext) {
  v1::RunProgress failed = Progress(v1::RUN_STATE_FAILED, 1, 1, v1::TASK_STATE_FAILED);
  failed.add_failed("load[3]");
  AnswerWatch({failed});
  AnswerFailedTask();
  EXPECT_EQ(Run({"run", "watch", "42"}), 1);
  EXPECT_EQ(out_,
            "2024-01-01T00:00:00Z task load[3] failed\n"
            "2024-01-01T00:00:00Z run 42 failed: 2/2 done (success 1, failed 1)\n"
            "Run 42 of etl: failed after 5.0s\n"
            "task load[3] failed: exit code 2 (attempt 3 on worker-1)\n"
            "  | connecting\n"
            "  | no route to host\n"
            "Next:\n"
            "  penstock task logs 42 'load[3]'\n"
            "  penstock task list 42\n"
            "  penstock run retry 42 --watch\n");
}

TEST_F(AppTest, WatchDrawsOnATerminal) {
  terminal_ = true;
  variables_["NO_COLOR"] = "1";
  AnswerWatch({Progress(v1::RUN_STATE_RUNNING, 1, 1, v1::TASK_STATE_RUNNING),
               Progress(v1::RUN_STATE_SUCCESS, 2, 0, v1::TASK_STATE_RUNNING)});
  EXPECT_EQ(Run({"run", "watch", "42"}), 0);
  EXPECT_THAT(out_, StartsWith("etl  run 42  running  10.0s\x1b[K\n"));
  EXPECT_THAT(out_, HasSubstr("\x1b[3A\retl  run 42  success  5.0s"));
  EXPECT_THAT(out_, EndsWith("Run 42 of etl: success after 5.0s\n"));
  EXPECT_THAT(out_, Not(HasSubstr("\x1b[32m")));
}

TEST_F(AppTest, WatchPrintsProgressAsJson) {
  AnswerWatch({Progress(v1::RUN_STATE_RUNNING, 1, 1, v1::TASK_STATE_RUNNING),
               Progress(v1::RUN_STATE_CANCELLED, 1, 1, v1::TASK_STATE_CANCELLED)});
  EXPECT_EQ(Run({"run", "watch", "42", "-o", "jsonl"}), 1);
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 2);
  EXPECT_EQ(Run({"run", "watch", "42", "-o", "json"}), 1);
  EXPECT_THAT(out_, HasSubstr("\"state\": \"RUN_STATE_CANCELLED\""));
  EXPECT_THAT(out_, Not(HasSubstr("RUN_STATE_RUNNING")));
}

TEST_F(AppTest, WatchIsLeftByCtrlC) {
  interrupted_ = true;
  AnswerWatch({});
  EXPECT_EQ(Run({"run", "watch", "42"}), 130);
  EXPECT_EQ(err_,
            "penstock: detached; the run goes on\n"
            "  watch it again: penstock run watch 42\n"
            "  stop it:        penstock run cancel 42\n");
}

TEST_F(AppTest, TriggerWatchesToTheEnd) {
  service().on_CreateRun = [](const v1::CreateRunRequest&, v1::Run* run) {
    run->set_id(42);
    run->set_dag("etl");
    run->set_key("run-42");
    return grpc::Status::OK;
  };
  AnswerWatch({Progress(v1::RUN_STATE_SUCCESS, 3, 0, v1::TASK_STATE_RUNNING)});
  EXPECT_EQ(Run({"dag", "trigger", "etl", "--watch"}), 0);
  EXPECT_THAT(out_, StartsWith("Run 42 of etl created (run-42)\n"));
  EXPECT_THAT(out_, EndsWith("Run 42 of etl: success after 5.0s\n"));
}

TEST_F(AppTest, TakesADagForItsNewestRun) {
  service().on_ListRuns = [](const v1::ListRunsRequest& request, v1::ListRunsResponse* response) {
    EXPECT_EQ(request.page_size(), 1);
    if (request.dag() == "etl") response->add_runs()->set_id(9);
    return grpc::Status::OK;
  };
  service().on_GetRun = [](const v1::GetRunRequest& request, v1::Run* run) {
    run->set_id(request.run().id());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"run", "show", "etl"}), 0);
  EXPECT_THAT(out_, StartsWith("run:   9\n"));
  EXPECT_EQ(Run({"run", "show", "other"}), 4);
  EXPECT_EQ(err_, "penstock: DAG \"other\" has no run\n");
}

TEST_F(AppTest, ListsTasksWithTheirEnds) {
  service().on_ListTaskInstances = [](const v1::ListTaskInstancesRequest& request,
                                      v1::ListTaskInstancesResponse* response) {
    EXPECT_EQ(request.states(0), v1::TASK_STATE_FAILED);
    auto* task = response->add_instances();
    task->set_task("load");
    task->set_map_index(3);
    task->set_state(v1::TASK_STATE_FAILED);
    task->set_attempt(2);
    task->set_cause(v1::CAUSE_OUT_OF_MEMORY);
    task->set_worker("w1");
    task->mutable_started_at()->set_seconds(100);
    task->mutable_finished_at()->set_seconds(165);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"task", "list", "42", "--state", "failed"}), 0);
  EXPECT_EQ(out_,
            "TASK     STATE   ATTEMPTS   TOOK  WORKER  REMARK\n"
            "load[3]  failed         2  1m05s  w1      out of memory\n");
}

TEST_F(AppTest, ExplainsATask) {
  service().on_ExplainTaskInstance = [](const v1::ExplainTaskInstanceRequest& request,
                                        v1::Explanation* answer) {
    answer->mutable_instance()->set_task(request.task());
    answer->mutable_instance()->set_map_index(-1);
    answer->mutable_instance()->set_run_id(42);
    answer->mutable_instance()->set_state(v1::TASK_STATE_READY);
    answer->set_code("blocked_pool");
    answer->set_reason("pool warehouse is full: 20/20");
    answer->set_hint("penstock pool set warehouse 30");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"task", "explain", "42", "load"}), 0);
  EXPECT_EQ(out_,
            "load of run 42: ready\n"
            "  pool warehouse is full: 20/20 (blocked_pool)\n"
            "  penstock pool set warehouse 30\n");
}

TEST_F(AppTest, LogsAreRawInAPipeAndSafeOnATerminal) {
  service().on_ReadLogs = [](const v1::ReadLogsRequest& request,
                             grpc::ServerWriter<v1::LogRecord>* writer) {
    EXPECT_EQ(request.map_index(), -1);
    v1::LogRecord record;
    record.set_stream(v1::LOG_STREAM_STDOUT);
    record.set_data(std::string("\x1b[31ma\0\x1b[2J\n", 12));
    writer->Write(record);
    record.set_stream(v1::LOG_STREAM_SYSTEM);
    record.set_data("killed: timeout\n");
    writer->Write(record);
    record.set_stream(v1::LOG_STREAM_STDERR);
    record.set_data("no line end");
    writer->Write(record);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"task", "logs", "42", "load"}), 0);
  EXPECT_EQ(out_, std::string("\x1b[31ma\0\x1b[2J\nno line end", 23));
  EXPECT_EQ(err_, "penstock: killed: timeout\n");
  terminal_ = true;
  EXPECT_EQ(Run({"task", "logs", "42", "load"}), 0);
  EXPECT_EQ(out_, "\x1b[31ma\\x00\\x1b[2J\nno line end\x1b[0m");
  EXPECT_EQ(Run({"task", "logs", "42", "load", "--no-color"}), 0);
  EXPECT_EQ(out_, "a\\x00\\x1b[2J\nno line end");
}

TEST_F(AppTest, ChangesPoolsWorkersAndNamespaces) {
  service().on_SetPool = [](const v1::SetPoolRequest& request, v1::Pool* pool) {
    pool->set_name(request.name());
    pool->set_slots(request.slots());
    return grpc::Status::OK;
  };
  service().on_DrainWorker = [](const v1::DrainWorkerRequest&, v1::DrainWorkerResponse* response) {
    response->set_sessions(1);
    return grpc::Status::OK;
  };
  service().on_CreateNamespace = [](const v1::CreateNamespaceRequest& request, v1::Namespace* ns) {
    ns->set_name(request.name());
    ns->set_domain(request.share_domain_with().empty() ? 7 : 1);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"pool", "set", "warehouse", "20"}), 0);
  EXPECT_EQ(out_, "Pool warehouse has 20 slots\n");
  EXPECT_EQ(Run({"pool", "set", "warehouse", "1000001"}), 2);
  EXPECT_EQ(Run({"worker", "drain", "w1"}), 0);
  EXPECT_EQ(out_, "1 session of w1 told to drain: running tasks finish, nothing new is taken\n");
  EXPECT_EQ(Run({"namespace", "create", "sales"}), 0);
  EXPECT_EQ(out_, "Namespace sales created, domain 7\n");
}

TEST_F(AppTest, ShowsWhatWillReallyRun) {
  service().on_GetDag = [](const v1::GetDagRequest&, v1::Dag* dag) {
    dag->set_canonical_json(
        dag::CanonicalJson(*dag::ParseDag("dag: d\ntasks: {a: {noop: }}\n").dag));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"dag", "show", "d", "--effective"}), 0);
  EXPECT_THAT(out_, StartsWith("dag: d\nmax_active_runs: 16\n"));
  EXPECT_THAT(out_,
              HasSubstr("    trigger_rule: all_success\n    noop:\n      \"on\": scheduler\n"));
}

TEST_F(AppTest, CompletesFromTheServer) {
  service().on_ListDags = [](const v1::ListDagsRequest& request, v1::ListDagsResponse* response) {
    auto* dag = response->add_dags();
    dag->set_name(request.namespace_() + "-etl");
    dag->set_description("loads\torders");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"__complete", "--", "-n", "ops", "dag", "show", ""}), 0);
  EXPECT_EQ(out_, "ops-etl\tloads\\torders\n");
  EXPECT_EQ(Run({"__complete", "--", "apply", ""}), 0);
  EXPECT_EQ(out_, ":files\n");
}

TEST_F(AppTest, ReportsOutputThatCannotBeWritten) {
  std::ostringstream err;
  std::ostringstream broken;
  broken.setstate(std::ios::failbit);
  std::istringstream in;
  Environment env;
  env.in = &in;
  env.out = &broken;
  env.err = &err;
  env.get_env = [](std::string_view) { return std::nullopt; };
  env.clock = &clock_;
  EXPECT_EQ(RunCli({"dag", "schema"}, env), 2);
  EXPECT_EQ(err.str(), "penstock: cannot write the output\n");
}

}  // namespace
}  // namespace penstock::client
