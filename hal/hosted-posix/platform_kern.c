/* SPDX-License-Identifier: MIT */
/* hal/memory.h, hal/time.h, hal/platform.h in a host process: the arena is RAM, the clock is the host's or virtual, output goes to the log callback. */
#include <hal/memory.h>
#include <hal/pci.h>
#include <hal/platform.h>
#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>

#include "hosted_kern.h"

static struct hosted *inst(void)
{
	return HOSTED_TLS_GET(inst);
}

/* ---------------------------------------------------------------- memory */
const struct hal_boot_info *hal_boot_info(void)
{
	struct kernel_host *kh = inst()->kern;

	return &kh->info;
}

void *hal_kmap(paddr_t frame)
{
	return hal_phys_to_virt(frame);
}

void hal_kunmap(void *va)
{
	(void)va;
}

kerr_t hal_map_device(paddr_t start, size_t size, bool uncached, void **out)
{
	(void)start;
	(void)size;
	(void)uncached;
	(void)out;
	return KERR(ENODEV);
}

void hal_poison(const void *p, size_t n)
{
	host_poison(p, n);
}

void hal_unpoison(const void *p, size_t n)
{
	host_unpoison(p, n);
}

/* ---------------------------------------------------------------- time */
ktime_t hal_time_ns(void)
{
	struct hosted *h = inst();

	if (h->virtual_clock)
		return __atomic_load_n(&h->virtual_now, __ATOMIC_RELAXED);
	return host_clock_ns() - h->start_ns;
}

void hosted_clock_advance(s64 ns)
{
	__atomic_fetch_add(&inst()->virtual_now, ns, __ATOMIC_SEQ_CST);
}

#define VIRTUAL_EPOCH 1600000000LL /* a virtual clock begins here, so that runs repeat */

s64 hal_time_wall(void)
{
	return inst()->virtual_clock ? VIRTUAL_EPOCH * 1000000000LL : host_wall_ns();
}

void hal_time_set_wall(s64 ns)
{
	(void)ns; /* the host's clock is not ours to set */
}

u32 hal_time_resolution(void)
{
	return 1;
}

bool hal_time_vclock(struct hal_vclock *out)
{
	(void)out;
	return false;
}

/* ---------------------------------------------------------------- platform */
void hal_console_write(const char *text, size_t n)
{
	struct hosted *h = inst();

	if (h->log)
		h->log(h->log_arg, text, n);
	else if (load_relaxed(&hal_kernel()->debug.panicking))
		host_write_stderr(text, n);
}

/* With a seed: a repeatable sequence (splitmix64). */
bool hal_random(void *buf, size_t n)
{
	struct hosted *h = inst();
	u8 *out = buf;

	if (!h->seed)
		return host_random(buf, n);
	for (size_t i = 0; i < n; i++) {
		u64 z = h->seed += 0x9E3779B97F4A7C15ULL;

		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
		out[i] = (u8)(z >> 56);
	}
	return true;
}

u64 hal_cycles(void)
{
	struct hosted *h = inst();

	return h->seed ? h->seed : __builtin_ia32_rdtsc();
}

void hal_power_off(void)
{
}

void hal_reboot(void)
{
}

void hal_halt(const char *why)
{
	struct hosted *h = inst();

	h->dead = true;
	if (h->panicked)
		h->panicked(h->panic_arg, why);
	host_abort();
}

size_t hal_backtrace(uintptr_t *pcs, size_t max)
{
	_Static_assert(sizeof(uintptr_t) == sizeof(host_u64), "hosted is 64-bit");
	return host_backtrace((host_u64 *)pcs, max);
}

bool hal_symbol(uintptr_t pc, const char **name, size_t *offset)
{
	host_u64 off;

	if (!host_symbol(pc, name, &off))
		return false;
	*offset = off;
	return true;
}

void hal_devices_probe(void)
{
	/* Disks are added by the library (disk_kern.c). */
}

const char *hal_machine(void)
{
	return "x86_64";
}

size_t hal_cpuinfo(unsigned cpu, char *buf, size_t size)
{
	return (size_t)kscnprintf(buf, size, "processor\t: %u\nmodel name\t: Maestro library vCPU\n\n", cpu);
}

bool hal_cpu_cache(unsigned index, struct hal_cpu_cache *out)
{
	(void)index;
	(void)out;
	return false; /* a vCPU has none of its own */
}

int hal_pci_next(int after)
{
	(void)after;
	return -1;
}

u32 hal_pci_config(unsigned function, unsigned offset)
{
	(void)function;
	(void)offset;
	return ~0u; /* what a bus answers for a function that is not there */
}
