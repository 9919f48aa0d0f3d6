/* SPDX-License-Identifier: MIT */
/* core/fs/dev: what its files share. */
#pragma once

#include <maestro/errno.h>

kerr_t mem_devices_init(void) __must_check; /* mem.c: /dev/null and its kin */
