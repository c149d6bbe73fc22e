/** What people may set, and what holds where they have not; see `schema/plugin.json`. */

import { ISettingRegistry } from "@jupyterlab/settingregistry";

export interface Setting {
  openAtStart: boolean;
  openJob: boolean;
  tellEnd: boolean;
  logLines: number;
  plotPoints: number;
  datasetLimit: number;
  longestWait_s: number;
}

export const DEFAULTS: Setting = {
  openAtStart: false,
  openJob: true,
  tellEnd: true,
  logLines: 2000,
  plotPoints: 2000,
  datasetLimit: 200,
  longestWait_s: 30
};

/** The settings as they are now. */
export function read(settings: ISettingRegistry.ISettings | null): Setting {
  const told = (settings?.composite ?? {}) as Partial<Setting>;
  return { ...DEFAULTS, ...told };
}
