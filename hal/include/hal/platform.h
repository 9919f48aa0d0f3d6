/* SPDX-License-Identifier: MIT */
/* HAL contract: early output, entropy, power, backtraces, devices. */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>

/* Output that works from the first instruction on, interrupts off, inside a panic. Hosted: the log callback or stderr. */
void hal_console_write(const char *text, size_t n);
/* Fills buf with the best entropy at hand; true if it is of cryptographic quality (RDRAND, host). Any context. */
bool hal_random(void *buf, size_t n);
/* File systems are already synced. hal_power_off returns only if the machine cannot do it. */
void hal_power_off(void);
void hal_reboot(void);
/* The end, after a panic too: interrupts off, wait for ever. Hosted: leaves to the creator's panic handler, which is told why, or abort(). */
void hal_halt(const char *why) __attribute__((noreturn));
/* Return addresses of the caller's frames, innermost first; returns how many. Any context. */
size_t hal_backtrace(uintptr_t *pcs, size_t max);
/* The name of the kernel function that holds pc, and the offset in it; false if unknown. */
bool hal_symbol(uintptr_t pc, const char **name, size_t *offset);
/* Probes the buses and registers devices with the core's interfaces (block, tty, input, framebuffer). Called once by init, may sleep. */
void hal_devices_probe(void);
/* uname -m, /proc/cpuinfo text for one CPU (written to buf, returns length). */
const char *hal_machine(void);
size_t hal_cpuinfo(unsigned cpu, char *buf, size_t size);

struct hal_cpu_cache {
	enum { HAL_CACHE_DATA = 1, HAL_CACHE_INSTRUCTION, HAL_CACHE_UNIFIED } type;
	unsigned level, line_size /* bytes */, partitions, ways, sets;
	bool shared; /* by all CPUs; else each has its own */
};
/* Describes cache number `index` of a CPU, all CPUs being alike; false: there are no more, or none are known. */
bool hal_cpu_cache(unsigned index, struct hal_cpu_cache *out);
