/* SPDX-License-Identifier: MIT */
/* What the processor can do (Intel SDM vol. 2, CPUID), the text of /proc/cpuinfo, and idling. One CPU is started so far. */
#include <hal/cpu.h>
#include <hal/platform.h>
#include <maestro/lib.h>
#include <x86/x86.h>

u32 x86_hwcap;
bool x86_has_nx, x86_has_erms, x86_copy_wide, x86_has_rdrand, x86_has_tsc_deadline, x86_has_sysenter, x86_has_apic;
char x86_vendor[13];
u32 x86_phys_bits, x86_mxcsr_mask;
static u32 feature_ecx, ext_edx, ext_ecx, feature_7b, signature, ebx1;
static char brand[49];
extern u32 x86_tsc_khz;

#define MXCSR_MASK_DEFAULT 0xffbf

static void read_brand(u32 max_ext)
{
	u32 *text = (u32 *)(void *)brand;

	if (max_ext < 0x80000004)
		return;
	for (u32 i = 0; i < 3; i++) {
		struct x86_cpuid c = x86_cpuid(0x80000002 + i, 0);

		*text++ = c.a;
		*text++ = c.b;
		*text++ = c.c;
		*text++ = c.d;
	}
}

/* The bits of MXCSR that the CPU knows; 0 in the image stands for the first that there were (SDM vol. 1, 11.6.6). */
static void read_mxcsr_mask(void)
{
	u32 image[128] __aligned(16) = { 0 };

	__asm__ volatile("fxsave (%0)" ::"r"(image) : "memory");
	x86_mxcsr_mask = image[7] ? image[7] : MXCSR_MASK_DEFAULT;
}

void x86_cpu_init(void)
{
	struct x86_cpuid c = x86_cpuid(0, 0);
	u32 max = c.a, max_ext, family, model;

	memcpy(x86_vendor, &c.b, 4);
	memcpy(x86_vendor + 4, &c.d, 4);
	memcpy(x86_vendor + 8, &c.c, 4);
	c = x86_cpuid(1, 0);
	signature = c.a;
	ebx1 = c.b;
	feature_ecx = c.c;
	x86_hwcap = c.d;
	if (max >= 7)
		feature_7b = x86_cpuid(7, 0).b;
	max_ext = x86_cpuid(0x80000000, 0).a;
	if (max_ext >= 0x80000001 && max_ext < 0x80001000) {
		c = x86_cpuid(0x80000001, 0);
		ext_edx = c.d;
		ext_ecx = c.c;
		read_brand(max_ext);
	}
	if (!(x86_hwcap & CPU_TSC) || !(x86_hwcap & CPU_FXSR))
		x86_fatal("the processor lacks TSC or FXSR (Pentium II or newer is needed)");
	x86_has_nx = ext_edx & (1u << 20);
	x86_has_erms = feature_7b & (1u << 9);
	x86_copy_wide = !x86_has_erms && (x86_hwcap & CPU_SSE2);
	x86_has_rdrand = feature_ecx & (1u << 30);
	x86_has_tsc_deadline = feature_ecx & (1u << 24);
	x86_has_apic = x86_hwcap & CPU_APIC;
	/* Frames beyond what the CPU addresses have reserved bits in their entries. */
	x86_phys_bits = x86_hwcap & CPU_PSE36 ? 36 : 32;
	if (max_ext >= 0x80000008 && max_ext < 0x80001000)
		x86_phys_bits = MIN(x86_cpuid(0x80000008, 0).a & 255, 52u);
	family = (signature >> 8) & 15;
	model = (signature >> 4) & 15;
	/* Early Pentium Pros announce SYSENTER but lack it. */
	if (family == 6 && model < 3 && (signature & 15) < 3)
		x86_hwcap &= ~CPU_SEP;
	x86_has_sysenter = x86_hwcap & CPU_SEP;
	x86_write_cr4(x86_read_cr4() | 0x600); /* OSFXSR, OSXMMEXCPT */
	read_mxcsr_mask();
	if (x86_has_nx)
		x86_wrmsr(MSR_EFER, x86_rdmsr(MSR_EFER) | (1u << 11));
}

/* Names as Linux prints them; "" for bits without one. */
static const char *const edx_names[32] = { "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "", "sep", "mtrr", "pge", "mca",
					    "cmov", "pat", "pse36", "pn", "clflush", "", "dts", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "ht",
					    "tm", "ia64", "pbe" };
static const char *const ecx_names[32] = { "pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2", "ssse3", "cid", "sdbg",
					    "fma", "cx16", "xtpr", "pdcm", "", "pcid", "dca", "sse4_1", "sse4_2", "x2apic", "movbe", "popcnt",
					    "tsc_deadline_timer", "aes", "", "", "avx", "f16c", "rdrand", "hypervisor" };

static size_t put_flags(char *buf, size_t size, u32 word, const char *const *names)
{
	size_t n = 0;

	for (unsigned i = 0; i < 32; i++)
		if ((word & (1u << i)) && names[i][0])
			n += (size_t)kscnprintf(buf + n, size - n, " %s", names[i]);
	return n;
}

size_t hal_cpuinfo(unsigned cpu, char *buf, size_t size)
{
	u32 family = (signature >> 8) & 15, model = (signature >> 4) & 15, khz = x86_tsc_khz;
	/* AVX would need state that is not saved (XSAVE), so it is not announced. */
	u32 ecx = feature_ecx & ~((1u << 26) | (1u << 28) | (1u << 12) | (1u << 29));
	const char *name = brand;
	size_t n;

	if (family == 6 || family == 15)
		model += ((signature >> 16) & 15) << 4;
	if (family == 15)
		family += (signature >> 20) & 255;
	while (*name == ' ')
		name++;
	n = (size_t)kscnprintf(buf, size,
			       "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n"
			       "cpu MHz\t\t: %u.%03u\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: %u\n"
			       "fdiv_bug\t: no\nf00f_bug\t: no\ncoma_bug\t: no\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n"
			       "flags\t\t:",
			       cpu, x86_vendor, family, model, *name ? name : "unknown", signature & 15, khz / 1000, khz % 1000, ebx1 >> 24,
			       x86_cpuid(0, 0).a);
	n += put_flags(buf + n, size - n, x86_hwcap, edx_names);
	if (x86_has_nx)
		n += (size_t)kscnprintf(buf + n, size - n, " nx");
	n += put_flags(buf + n, size - n, ecx, ecx_names);
	if (x86_has_erms)
		n += (size_t)kscnprintf(buf + n, size - n, " erms");
	n += (size_t)kscnprintf(buf + n, size - n,
				"\nbugs\t\t:\nbogomips\t: %u.%02u\nclflush size\t: %u\ncache_alignment\t: %u\n"
				"address sizes\t: %u bits physical, 32 bits virtual\npower management:\n\n",
				khz / 500, khz / 5 % 100, MAX(32u, ((ebx1 >> 8) & 255) * 8), MAX(32u, ((ebx1 >> 8) & 255) * 8),
				x86_phys_bits);
	return n;
}

/* "Deterministic cache parameters": Intel's leaf 4, AMD's 8000001d (where TOPOEXT says so) in the same form. */
bool hal_cpu_cache(unsigned index, struct hal_cpu_cache *out)
{
	u32 leaf = ext_ecx & (1u << 22) ? 0x8000001d : 4;
	struct x86_cpuid c;

	if (leaf == 4 && x86_cpuid(0, 0).a < 4)
		return false;
	for (u32 i = 0; i <= index; i++) {
		c = x86_cpuid(leaf, i);
		if (!(c.a & 31) || (c.a & 31) > HAL_CACHE_UNIFIED)
			return false;
	}
	*out = (struct hal_cpu_cache){
		.type = c.a & 31,
		.level = (c.a >> 5) & 7,
		.line_size = (c.b & 4095) + 1,
		.partitions = ((c.b >> 12) & 1023) + 1,
		.ways = (c.b >> 22) + 1,
		.sets = c.c + 1,
		.shared = (c.a >> 14) & 4095,
	};
	return true;
}

const char *hal_machine(void)
{
	return "i686";
}

unsigned hal_cpu_count(void)
{
	return 1;
}

kerr_t hal_cpu_start(unsigned cpu)
{
	(void)cpu;
	return KERR(ENODEV);
}

void hal_cpu_idle(void)
{
	__asm__ volatile("sti; hlt" ::: "memory");
}

/* There is no other processor to kick. */
void hal_cpu_kick(unsigned cpu)
{
	(void)cpu;
}
