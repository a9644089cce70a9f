import { conflictError, duplicateObject } from '../errors.ts';
import type { Database } from '../store/database.ts';
import type { NetworkViewObject, Values } from '../store/grid-objects.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes } from './attributes.ts';
import { plainValues, textOf } from './field-access.ts';

export function createNetworkView(db: Database, fields: Values): NetworkViewObject {
  const name = textOf(fields, 'name') ?? '';
  if (db.viewNamed(name)) throw duplicateObject(name, 'network_view');
  const extattrs = newAttributes(db, fields);
  const id = db.newViewId();
  const view: NetworkViewObject = {
    type: 'networkview',
    key: naturalKey('networkview', String(id)),
    id,
    name,
    values: plainValues(fields, 'name'),
    extattrs,
  };
  db.insert(view);
  return view;
}

/** Updates a view. A new name changes only the tail of its reference: objects inside refer to the view's number. */
export function updateNetworkView(db: Database, view: NetworkViewObject, fields: Values): void {
  const name = textOf(fields, 'name') ?? view.name;
  const other = db.viewNamed(name);
  if (other && other !== view) throw duplicateObject(name, 'network_view');
  const extattrs = updatedAttributes(db, view.extattrs, fields);
  db.update(view, plainValues(fields, 'name'), () => {
    view.name = name;
    view.extattrs = extattrs;
  });
}

/** Removes a view with its contents. The default view stays. */
export function removeNetworkView(db: Database, view: NetworkViewObject): void {
  if (view.id === 0) throw conflictError(`Cannot delete the default network view '${view.name}'.`);
  for (const type of ['fixedaddress', 'range', 'record:host', 'network', 'networkcontainer'] as const) {
    for (const object of [...db.all(type)]) if (object.view === view) db.delete(object);
  }
  db.delete(view);
}
