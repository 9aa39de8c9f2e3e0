#pragma once
// The terms of leases and the inequality that makes them safe, written once.
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/status.h"

namespace penstock::lease {

// Stored with the database so that every process agrees.
struct Terms {
  absl::Duration domain = absl::Seconds(3);    // an owner's lease on its domain
  absl::Duration session = absl::Seconds(15);  // a worker session's lease on its attempts
  absl::Duration outage = absl::Seconds(10);   // of the database, ridden out without killing tasks
  absl::Duration margin = absl::Seconds(1);    // for scheduling delays and clock rates

  // How often an owner renews, and a session asks.
  absl::Duration domain_renewal() const { return domain / 3; }
  absl::Duration session_renewal() const { return session / 3; }
  // After a takeover, a session of the old owner's time that does not say hello is lost then:
  // the old owner may have confirmed it until its own lease ended, unseen.
  absl::Duration takeover_wait() const { return domain + session + margin; }
  // After a confirmation by this owner.
  absl::Duration silence() const { return session + margin; }
};

// session >= domain + outage + margin: a task survives a takeover during the promised outage.
inline absl::Status Validate(const Terms& terms) {
  if (terms.domain <= absl::ZeroDuration() || terms.margin <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("domain term and margin must be positive");
  }
  if (terms.session < terms.domain + terms.outage + terms.margin) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      "session term " + absl::FormatDuration(terms.session) +
                          " is shorter than domain term + database outage + margin = " +
                          absl::FormatDuration(terms.domain + terms.outage + terms.margin));
  }
  return absl::OkStatus();
}

}  // namespace penstock::lease
