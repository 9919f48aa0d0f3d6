/* SPDX-License-Identifier: MIT */
/* What uname(2) says; the node and domain name are in struct proc_state. */
#pragma once

#define UTS_SYSNAME "Linux"
#define UTS_RELEASE "6.1.0-maestro"
#define UTS_VERSION "#1 SMP PREEMPT Maestro"
