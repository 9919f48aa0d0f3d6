/* SPDX-License-Identifier: MIT */
#include "fuzz_host.h"

const bool fuzz_target_ops = false;
