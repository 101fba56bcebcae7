#include "signal/state/state.h"

#include "signal/kernel/apart.h"

struct stk_state stk_g STK_PARTLY_APART;
