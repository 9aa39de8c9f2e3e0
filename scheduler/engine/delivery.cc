#include "scheduler/engine/delivery.h"

#include <map>
#include <memory>
#include <utility>

#include "common/obs/log.h"
#include "scheduler/core/version.h"

namespace penstock::engine {
namespace {

using Place = std::pair<SessionId, core::BindingId>;

std::vector<core::TaskKey> KeysOf(const std::vector<core::Assign>& assigns) {
  std::vector<core::TaskKey> keys;
  for (const core::Assign& assign : assigns) {
    const auto task = static_cast<uint32_t>(assign.ref.key.task);
    for (uint32_t up : *assign.outputs_from->outputs_of(task)) {
      keys.push_back({assign.ref.key.run, static_cast<int32_t>(up), -1});
    }
  }
  return keys;
}

// Reads the outputs that the assignments name and sends them. An assignment whose outputs cannot
// be read is not sent: the session's next hello does not list it, so it becomes ready again.
void ReadAndSend(DomainId domain, SessionHub& hub, store::Catalog& catalog,
                 const std::vector<core::Assign>& assigns) {
  const std::vector<core::TaskKey> keys = KeysOf(assigns);
  auto outputs = catalog.GetOutputs(keys);
  for (int tries = 1; !outputs.ok() && tries < 3; ++tries) outputs = catalog.GetOutputs(keys);
  if (!outputs.ok()) {
    obs::Warning("outputs not readable, assignments held back",
                 {{"domain", domain}, {"error", outputs.status()}});
    hub.Resync(domain);
    return;
  }
  size_t next = 0;
  std::map<Place, SessionMail> mails;
  for (const core::Assign& assign : assigns) {
    ReadyAssignment ready{assign, {}};
    const auto task = static_cast<uint32_t>(assign.ref.key.task);
    for (size_t i = 0; i < assign.outputs_from->outputs_of(task)->size(); ++i, ++next) {
      ready.outputs.push_back({keys[next], (*outputs)[next]});
    }
    mails[{assign.session, assign.binding}].assignments.push_back(std::move(ready));
  }
  for (auto& [place, mail] : mails) {
    hub.Deliver(domain, place.first, place.second, std::move(mail));
  }
}

}  // namespace

void Delivery::SendWithOutputs(std::vector<core::Assign> assigns) {
  if (assigns.empty()) return;
  auto shared = std::make_shared<const std::vector<core::Assign>>(std::move(assigns));
  const bool posted = reads_.TryPost([domain = domain_, &hub = hub_, &catalog = catalog_, shared] {
    ReadAndSend(domain, hub, catalog, *shared);
  });
  if (!posted) hub_.Resync(domain_);
}

// One mail per session, where it can be one: each costs both sides as much as what is in it.
void Delivery::Send(core::Effects& effects) {
  for (const core::SessionBound& b : effects.bound) hub_.Bound(domain_, b.session, b.binding);
  std::map<Place, SessionMail> mails;
  for (core::Revoke& revoke : effects.revokes) {
    mails[{revoke.session, revoke.binding}].revokes.push_back(revoke);
  }
  for (const core::ReturnCredits& r : effects.credit_returns) {
    mails[{r.session, r.binding}].credits_returned += r.credits;
  }
  for (const core::WishCredits& wish : effects.wishes) {
    mails[{wish.session, wish.binding}].wish = wish.wanted;
  }
  std::vector<core::Assign> with_outputs;
  for (core::Assign& assign : effects.assigns) {
    if (assign.outputs_from != nullptr) {
      with_outputs.push_back(std::move(assign));
      continue;
    }
    const Place place{assign.session, assign.binding};
    mails[place].assignments.push_back({std::move(assign), {}});
  }
  // What needs no binding goes along with the first mail of its session.
  const auto any_mail = [&mails](SessionId session) -> SessionMail& {
    const auto first = mails.lower_bound({session, core::BindingId()});
    return first != mails.end() && first->first.first == session
               ? first->second
               : mails[{session, core::BindingId()}];
  };
  for (const core::AckResult& ack : effects.acks) any_mail(ack.session).acks.push_back(ack);
  for (const core::EndSession& end : effects.ended) any_mail(end.session).session_lost = true;
  for (const core::AskDrain& drain : effects.drains) any_mail(drain.session).drain = true;
  for (auto& [place, mail] : mails) {
    hub_.Deliver(domain_, place.first, place.second, std::move(mail));
  }
  SendWithOutputs(std::move(with_outputs));
  if (effects.resync) hub_.Resync(domain_);
}

}  // namespace penstock::engine
