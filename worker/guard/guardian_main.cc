// penstock-guardian: started by penstock-worker, beside itself. See guardian.h.
#include "worker/guard/guardian.h"

int main(int argc, char** argv) { return penstock::worker::guard::GuardianMain(argc, argv); }
