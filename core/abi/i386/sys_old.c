/* SPDX-License-Identifier: MIT */
/* Old forms of system-wide calls that only i386 has: uname(2) "olduname", getrlimit(2) with signed limits, arch_prctl(2) without bases. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/proc.h>
#include <hal/platform.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>
#include <maestro/version.h>

#define OLD_LEN 9
#define ARCH_GET_CPUID 0x1011
#define OLD_RLIM_INFINITY 0x7fffffffu

static void fill(char *field, size_t size, const char *text)
{
	memset(field, 0, size);
	strlcpy(field, text, size);
}

long sys_olduname(void __user *out)
{
	char u[5][65];

	fill(u[0], sizeof(u[0]), UTS_SYSNAME);
	fill(u[1], sizeof(u[1]), kernel()->proc.nodename);
	fill(u[2], sizeof(u[2]), UTS_RELEASE);
	fill(u[3], sizeof(u[3]), UTS_VERSION);
	fill(u[4], sizeof(u[4]), hal_machine());
	return kerr_code(copy_to_user(out, u, sizeof(u)));
}

long sys_oldolduname(void __user *out)
{
	char u[5][OLD_LEN];

	fill(u[0], OLD_LEN, UTS_SYSNAME);
	fill(u[1], OLD_LEN, kernel()->proc.nodename);
	fill(u[2], OLD_LEN, UTS_RELEASE);
	fill(u[3], OLD_LEN, UTS_VERSION);
	fill(u[4], OLD_LEN, hal_machine());
	return kerr_code(copy_to_user(out, u, sizeof(u)));
}

long sys_old_getrlimit(unsigned which, void __user *out)
{
	struct abi_rlimit u;
	struct rlimit64 r;

	if (which >= RLIMIT_COUNT)
		return -EINVAL;
	r = hal_current()->proc->rlim[which];
	u.cur = (u32)MIN(r.cur, (u64)OLD_RLIM_INFINITY);
	u.max = (u32)MIN(r.max, (u64)OLD_RLIM_INFINITY);
	return kerr_code(copy_to_user(out, &u, sizeof(u)));
}

long sys_arch_prctl(int code, unsigned long arg)
{
	(void)arg;
	return code == ARCH_GET_CPUID ? 1 : -EINVAL; /* CPUID never faults */
}
