/* SPDX-License-Identifier: MIT */
/* prctl(2)'s capability options, in sys_caps.c. Each returns its result or -errno. */
#pragma once

#include "proc_priv.h"

long prctl_capbset_read(unsigned long cap);
long prctl_capbset_drop(unsigned long cap);
long prctl_securebits_set(unsigned long bits);
long prctl_keepcaps_set(unsigned long on);
long prctl_no_new_privs_set(void);
long prctl_ambient(unsigned long op, unsigned long cap);
