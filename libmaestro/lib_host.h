/* SPDX-License-Identifier: MIT */
/* Where the two halves of libmaestro meet. struct maestro is a struct hosted; the kernel half begins where the instance is entered. */
#pragma once

#include "host.h"

struct maestro {
	struct hosted h;
	int log_level;
	int unmount_error; /* the first error of writing out at the end */
};
/* --- kernel half: instance_kern.c --- */
/* After hosted_boot(): /dev, log level. 0 or -errno. */
int lib_start(struct maestro *k);
/* Everything written out and unmounted; 0 or the first -errno. */
int lib_finish(struct maestro *k);
