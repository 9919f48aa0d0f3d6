/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const bool fuzz_target_ops; /* the target ops, not read: by what is linked in */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
