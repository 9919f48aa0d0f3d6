/* SPDX-License-Identifier: MIT */
/* Start of the core, boot parameters, shutdown. */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

/* Brings the core up to a running scheduler and a root file system in memory (tmpfs). Boot context. Levels: core/init/main.c. */
kerr_t kernel_start(void) __must_check;
/* The rest of booting on a machine: devices, root, init. Runs in the first process; ends by exec, or waits with a message. */
void kernel_boot_user(void *unused);

/* --- boot line (kernel-parameters.txt's words) --- */
struct boot_params {
	char root[128], rootfstype[32], rootflags[128], init[128];
	bool ro, rootwait, quiet, nosmp, noinitrd;
	u32 rootdelay; /* s */
	int loglevel, panic_timeout; /* s; 0: wait for ever; negative: reboot at once */
	u64 mem_limit; /* bytes, 0 none */
	char console[4][32];
	unsigned nconsoles;
	char trace[64]; /* trace=all, or a program's name */
	/* what is not ours goes to init: words to argv, a=b to envp */
	const char *init_argv[32], *init_envp[32];
	unsigned init_argc, init_envc;
	char text[2048]; /* storage the pointers above point into */
	char cmdline[2048]; /* as given, for /proc/cmdline */
};
const struct boot_params *boot_params(void);
void boot_params_parse(const char *cmdline); /* never fails: what does not parse is logged and passed on */

/* reboot(2)'s work. Sleeping context. */
enum shutdown { SHUTDOWN_HALT, SHUTDOWN_POWER_OFF, SHUTDOWN_RESTART };
void kernel_shutdown(enum shutdown how);
/* unpacks a newc cpio archive into the root file system (initramfs). KERR(EINVAL) with a message naming the offset. */
kerr_t initramfs_unpack(const void *data, size_t size) __must_check;

/* Random numbers: a ChaCha20 generator seeded by the HAL (core/lib/random.c). Any context. */
void random_bytes(void *buf, size_t n);
u32 random_u32(void);
void random_add_entropy(const void *p, size_t n);
bool random_ready(void);
kerr_t random_init(void) __must_check;
