#pragma once
// Metadata keys that one scheduler sets for another.
#include <string_view>

namespace penstock::peer {

// On Forward: an earlier try of the same request may have been carried out.
inline constexpr std::string_view kRepeatedKey = "penstock-repeated";
// On ControlService calls: asked by a scheduler, so answer here or not at all.
inline constexpr std::string_view kForwardedKey = "penstock-forwarded";

}  // namespace penstock::peer
