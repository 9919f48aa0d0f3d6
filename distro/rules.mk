# SPDX-License-Identifier: MIT
#
# Images: the root file system, the disk, the ISO, the initramfs. All under build/.
# Files under build/extra/ (MAESTRO_EXTRA=DIR for another place) are copied into the root.

MAESTRO_EXTRA ?= build/extra
DISTRO_MANIFEST := build/debs/distro-packages.manifest
DISTRO_OVERLAY := $(shell find distro/overlay 2>/dev/null)
DISTRO_EXTRA := $(shell find $(MAESTRO_EXTRA) 2>/dev/null)

.PHONY: deps-build deps-run deps-test

deps-build deps-run deps-test: deps-%:
	@distro/deps $*

# The manifest keeps its date when its contents do not change.
build/debs/distro-packages.stamp: distro/packages.txt distro/fetch | deps-build
	@distro/fetch distro/packages.txt
	@touch $@
$(DISTRO_MANIFEST): build/debs/distro-packages.stamp ;

# The packages, unpacked; owners and devices are in fakeroot's file.
build/distro/root.state: $(DISTRO_MANIFEST) distro/mkroot
	@echo "  UNPACK  build/distro/root"
	@mkdir -p build/distro
	@fakeroot -s $@.new -- distro/mkroot $(DISTRO_MANIFEST) build/debs build/distro/root
	@mv $@.new $@

build/rootfs.ext2: build/distro/root.state distro/mkfs $(DISTRO_OVERLAY) $(DISTRO_EXTRA)
	@$(MAKE) --no-print-directory build/maestro-img
	@echo "  IMAGE   $@"
	@fakeroot -i $< -- distro/mkfs build/distro/root $@ distro/overlay \
		$(if $(wildcard $(MAESTRO_EXTRA)),+$(MAESTRO_EXTRA))

# The developers' root: compilers, languages, debuggers; see devroot.list.
build/debs/distro-devroot.manifest: distro/packages.txt distro/devroot.list distro/fetch | deps-build
	@distro/fetch distro/packages.txt distro/devroot.list
	@touch $@

build/distro/devroot.state: build/debs/distro-devroot.manifest distro/mkroot
	@echo "  UNPACK  build/distro/devroot ($$(wc -l < $<) packages)"
	@mkdir -p build/distro
	@fakeroot -s $@.new -- distro/mkroot --keep usr/share/man/man1 $< build/debs build/distro/devroot
	@mv $@.new $@

build/devroot.ext2: build/distro/devroot.state distro/mkfs $(DISTRO_OVERLAY)
	@$(MAKE) --no-print-directory build/maestro-img
	@echo "  IMAGE   $@"
	@fakeroot -i $< -- distro/mkfs --free 1024 build/distro/devroot $@ distro/overlay

# Where only the kernel or the menu is newer than the disk, the rest of the disk stays.
DISTRO_DISK_PARTS := build/rootfs.ext2 distro/mkdisk distro/grub/core.cfg
build/disk.img: $(DISTRO_DISK_PARTS) build/maestro.elf distro/grub/disk.cfg | deps-build
	@only=--kernel-only; \
	for part in $(DISTRO_DISK_PARTS); do \
		[ $$part -nt build/distro/disk.stamp ] && only=; \
	done; \
	[ -e $@ ] || only=; \
	echo "  DISK    $@ $${only:+(kernel)}"; \
	distro/mkdisk $$only build/rootfs.ext2 build/maestro.elf $@ && \
	{ [ -n "$$only" ] || touch -r $@ build/distro/disk.stamp; } && touch $@

build/initramfs.cpio: $(DISTRO_MANIFEST) distro/mkinitramfs $(DISTRO_OVERLAY)
	@echo "  CPIO    $@"
	@distro/mkinitramfs build/debs/$$(grep ^busybox-static_ $<) distro/overlay $@

build/maestro.iso: build/maestro.elf build/initramfs.cpio distro/mkiso distro/grub/iso.cfg | deps-build
	@echo "  ISO     $@"
	@distro/mkiso build/maestro.elf build/initramfs.cpio $@
