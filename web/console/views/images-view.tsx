import { formatBytes } from "../client/format.js";
import { act, useApp } from "../parts/app-context.js";
import { Icon } from "../parts/icon.js";

/** What machines can be made from. */
export function ImagesView() {
  const app = useApp();
  const { store } = app;
  const isMaking = store.operations.value.some(
    ({ action, status }) => action === "image.build" && status === "running",
  );
  return (
    <main>
      <header class="view-head">
        <h2>Images</h2>
      </header>
      <p class="quiet intro">
        An image is made once, by its recipe, from a distribution's packages; every machine made from it has a copy that
        takes no room until it is written to.
      </p>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Image</th>
            <th scope="col">State</th>
            <th scope="col" class="figure">
              Size
            </th>
            <th scope="col">
              <span class="unseen">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {store.images.value.map(({ name, built, byteLength }) => (
            <tr key={name}>
              <td>{name}</td>
              <td>{built ? "ready" : isMaking ? "being made" : "not made yet"}</td>
              <td class="figure">{built ? formatBytes(byteLength) : ""}</td>
              <td>
                {!built && store.role.value === "admin" && (
                  <div class="actions">
                    <button
                      type="button"
                      onClick={() => void act(app, `Making ${name}`, "image.build", { image: name })}
                    >
                      <Icon name="plus" />
                      <span>Make</span>
                    </button>
                  </div>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </main>
  );
}
