#pragma once
// What the worker's main process, its guardian and the guardian's runners say to each other, over
// SOCK_SEQPACKET sockets: one packet = one struct, with descriptors beside it. All ends are built
// together (kWireVersion is checked at start), so the structs go as they lie in memory. Times are
// microseconds on CLOCK_BOOTTIME.
#include <array>
#include <cstdint>

namespace penstock::worker::guard {

inline constexpr uint32_t kWireVersion = 1;
// Longer bodies travel in a memfd.
inline constexpr uint32_t kMaxInlineBody = 64 * 1024;

enum class MessageKind : uint32_t {
  kNone = 0,  // of a packet too short to tell
  // main -> guardian
  kNewRunner = 1,  // NewRunner + the runner's end of a socket pair
  kLastWords,      // LastWords + body: arguments
  kQuit,           // Plain: the main process ends on purpose, no last words
  // guardian -> main
  kReady,       // Ready
  kRunnerGone,  // RunnerGone
  // main -> runner
  kRun,     // Run + stdout, stderr [, memfd with the body] [, memfd with the bundle] + body
  kExtend,  // Extend
  kKill,    // Kill
  // runner -> main
  kStarted,  // Started
  kEnded,    // Ended [+ the output file]
};

struct Plain {
  MessageKind kind;
};

struct NewRunner {
  MessageKind kind;
  uint32_t id;
};

struct LastWords {
  MessageKind kind;
  uint32_t argument_count;  // the body: that many NUL-terminated texts
};

struct Ready {
  MessageKind kind;
  uint32_t wire_version;
  uint32_t memory_cgroups;  // 0 or 1: whether memory limits and out-of-memory kills are seen
};

// The runner died unasked. All processes of its attempt are dead.
struct RunnerGone {
  MessageKind kind;
  uint32_t id;
};

struct Run {
  MessageKind kind;
  uint32_t body_in_memfd;  // 0 or 1
  uint32_t has_bundle;     // 0 or 1
  uint32_t argument_count;
  uint64_t sequence;  // names the attempt in all further messages
  int64_t lease_deadline_us;
  int64_t timeout_us;          // from the start; 0 = none
  int64_t grace_us;            // between SIGTERM and SIGKILL at the timeout
  int64_t memory_limit_bytes;  // 0 = none
  uint32_t variable_count;
  uint32_t body_bytes;
  // The body, NUL-terminated texts: the working directory (to be created), the name of the output
  // file in it, the arguments, the environment.
};

// Later deadlines only: an earlier one than the present is ignored.
struct Extend {
  MessageKind kind;
  uint64_t sequence;
  int64_t lease_deadline_us;
};

struct Kill {
  MessageKind kind;
  uint64_t sequence;
  int64_t grace_us;  // between SIGTERM and SIGKILL; 0 = SIGKILL at once
};

// Sent for attempts that live longer than some milliseconds; for others Ended says it all, and the
// pair of messages is saved.
struct Started {
  MessageKind kind;
  int32_t pid;
  uint64_t sequence;
  int64_t started_us;
};

// Who ended an attempt. The first of several stays.
enum class EndedBy : uint32_t {
  kItself = 0,
  kNotStarted,  // `error` tells why
  kLease,       // also when the deadline had passed before the start (pid 0)
  kTimeout,
  kRequest,
  kGuardianLost,  // the runner ended it because the guardian (or the main process) died
};

// Everything of the attempt is dead when this is sent.
struct Ended {
  MessageKind kind;
  EndedBy by;
  uint64_t sequence;
  int32_t pid;            // 0: never started
  int32_t wait_status;    // of the attempt's first process, as waitpid gives it
  int32_t out_of_memory;  // 0 or 1: the kernel killed a process of it for want of memory
  int32_t output_error;   // errno of opening the output file; 0 = it is attached; ENOENT = none
  int64_t started_us;
  int64_t ended_us;
  int64_t peak_rss_kib;
  int64_t cpu_us;               // user and system, of the processes that were waited for
  std::array<char, 256> error;  // NUL-terminated
};

// One file of a bundle in its memfd, followed by the path (without NUL) and the content. Paths are
// relative and clean: the sender has checked them.
struct BundleFile {
  uint32_t path_bytes;
  uint32_t executable;  // 0 or 1
  uint64_t content_bytes;
};

}  // namespace penstock::worker::guard
