#pragma once
// Removing directory trees that somebody else filled: hostile depth, symlinks, missing permissions.
namespace penstock::process {

// Removes the directory `path` and all below it; never follows a symlink, needs two descriptors
// however deep the tree is. `path` itself must be a directory, not a link. True: nothing is left
// (also when there was nothing). False: something could not be removed; the rest is gone.
bool RemoveTree(const char* path);

}  // namespace penstock::process
