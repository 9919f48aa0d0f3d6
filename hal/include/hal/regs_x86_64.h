/* SPDX-License-Identifier: MIT */
/* A system call of the x86_64 ABI as the hosted backend hands it over: a number, six arguments, a result. */
#pragma once

#include <maestro/types.h>

struct hal_regs {
	long nr;
	unsigned long arg[6];
	long ret;
	/* Software user contexts (unit tests of signals): where the program stands. */
	u64 ip, sp;
};
