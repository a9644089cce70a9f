/** podman's files in /etc/containers, for hosts without systemd and overlay. */
export const podmanSettings = {
  // The runtime is runc, as crun refuses hosts with both versions of control groups.
  'containers.conf': '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n',
  'storage.conf':
    '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n',
} as const;
